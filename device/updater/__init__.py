"""The updater: puts the software in place that the platform names, on trial, beside the agent and apart from it."""
