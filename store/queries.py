"""The SQL that lives in files: one statement a file in `store/queries/`."""

from functools import cache
from importlib import resources


@cache
def load(name: str) -> str:
    """The text of `store/queries/{name}.sql`. Raises FileNotFoundError for one that is not there."""
    return (resources.files("store") / "queries" / f"{name}.sql").read_text("utf-8")
