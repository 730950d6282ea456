"""The SQL of dashboards: a file a query, with other queries put in where their names stand in braces."""

import re
from importlib import resources
from textwrap import indent


def load(name: str) -> str:
    """The text of `grafana/queries/{name}.sql` with what it includes, Grafana's macros and variables untouched."""
    text = (resources.files("grafana") / "queries" / f"{name}.sql").read_text("utf-8").strip()
    return re.sub(r"^\{(\w+)\}$", lambda found: indent(load(found.group(1)), "    "), text, flags=re.MULTILINE)
