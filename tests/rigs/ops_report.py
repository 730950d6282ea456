"""What tests of operations measured, as one JSON file that WATTLINE_OPS_REPORT names."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

WANTED = {
    "update": {"bytes", "seconds", "lost"},
    "rollback": {"seconds", "lost"},
    "ansible": {"first_run_s", "second_run_changed"},
}
"""What a whole run measures, by subject."""


def lacking(document: Mapping[str, Mapping[str, float | str]]) -> list[str]:
    """The figures that a report does not have: what was deselected, or ended before it was measured."""
    return [
        f"{what}.{name}" for what, names in WANTED.items() for name in sorted(names - document.get(what, {}).keys())
    ]


def complete(file: Path) -> None:
    """Take for what was not measured on whole machines the same of processes beside one another, and say so."""
    document = json.loads(file.read_text()) if file.exists() else {}
    beside = {
        what: document[f"{what}_beside"] | {"machines": "processes"}
        for what in WANTED
        if what not in document and f"{what}_beside" in document
    }
    if beside:
        file.write_text(json.dumps(document | beside, indent=1) + "\n")


def record(what: str, **figures: float | str) -> None:
    """Put the figures of one subject into the report, where one is wanted; others' stay."""
    name = os.environ.get("WATTLINE_OPS_REPORT")
    if not name:
        return
    file = Path(name)
    document = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(document | {what: figures}, indent=1) + "\n")
