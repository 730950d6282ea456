"""From a commit to a Pi: what makes a release, and pipelines for GitHub and GitLab that take the same steps."""
