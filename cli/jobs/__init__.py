"""`wattline job`: work that is too long for a request, and when it is asked for by the clock."""

from cli.jobs.commands import job

__all__ = ["job"]
