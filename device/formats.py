"""How files of a newer agent are known, and kept for it: software may be set back, and what it wrote is not damage."""

import contextlib
import json
from pathlib import Path
from typing import Final

import structlog

from broker.errors import ContractError

log = structlog.get_logger()

FORMAT: Final = 1
"""The format of our JSON files. A document says its own as `format`; one that says nothing is of format 1.

Whoever changes a format raises the number, and reads the one before, too: an agent that is set back by one version
finds files that it knows where the newer one goes on writing the older format for that version, else what stands here.
"""
NEWER: Final = ".newer"
"""What is set aside for the agent that wrote it."""


class NewerFormatError(ContractError):
    """A file that is whole, and of a format that came after this agent."""


def prove(document: bytes) -> None:
    """See that a JSON document is of a format that this agent knows. Raises NewerFormatError."""
    try:
        found = json.loads(document)
    except (ValueError, RecursionError):
        # damage, of which its reader tells
        return
    number = found.get("format", FORMAT) if isinstance(found, dict) else FORMAT
    if type(number) is int and number > FORMAT:
        raise NewerFormatError(f"it is of format {number}, this agent knows {FORMAT}", field="format")


def set_aside(path: Path, *, beside_others: bool = False) -> None:
    """Keep a file for the agent that wrote it, out of the way of ours.

    One that was kept before gives way, or, `beside_others`, stays: the new one gets the next free number behind NEWER.
    """
    kept, number = path.with_name(path.name + NEWER), 1
    while beside_others and kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}{NEWER}.{number}")
    log.warning("file_of_newer_agent", path=str(path), kept=kept.name)
    with contextlib.suppress(OSError):
        path.replace(kept)


def take_back(path: Path) -> None:
    """Put back what was set aside, where nothing stands in its place."""
    kept = path.with_name(path.name + NEWER)
    with contextlib.suppress(OSError):
        if kept.exists() and not path.exists():
            kept.replace(path)
