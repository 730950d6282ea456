"""What commands asked of meters' memories, and how far that is."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from device.history.spans import Span, overlap


@dataclass(slots=True)
class Wish:
    """A span that a command asked for: how many intervals of it came, and why nothing did."""

    key: str
    span: Span
    read: int = 0
    error: str = ""
    done: asyncio.Event = field(default_factory=asyncio.Event)


def progress(wish: Wish, wanted: Sequence[Span], trouble: str) -> dict[str, Any]:
    """How far a wish is, as a reply tells it: `trouble` is what keeps the meter from being read now, '' for nothing."""
    told: dict[str, Any] = {"intervals": wish.read, "done": wish.done.is_set()}
    if wish.error:
        return {**told, "error": wish.error}
    left = [part for one in wanted if (part := overlap(one, wish.span)) is not None]
    if wish.done.is_set() or not left:
        return told
    seconds = sum((one.until - one.since).total_seconds() for one in left)
    went = f"waits: {trouble}" if trouble else "goes on by itself, the newest first"
    return {
        **told,
        "left_h": round(seconds / 3600, 1),
        "left_before": left[-1].until.isoformat(),
        "state": f"{went}; the same command again tells how far it is, cancel_profile ends it",
    }
