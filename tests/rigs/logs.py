"""Where services inside a test's process log."""

import sys

import structlog


def log_past_output() -> None:
    """Past the output of commands that a test calls; their log level and name stay theirs."""
    structlog.reset_defaults()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.__stderr__))
