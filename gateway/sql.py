"""The gateway's own SQL: one statement a file in `gateway/queries/`."""

from functools import cache
from importlib import resources


@cache
def load(name: str) -> str:
    """The text of `gateway/queries/{name}.sql`. Raises FileNotFoundError for one that is not there."""
    return (resources.files("gateway") / "queries" / f"{name}.sql").read_text("utf-8")
