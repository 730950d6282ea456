"""An outbox on a real disk, filled and looked into."""

from pathlib import Path

from broker.contract.topics import Kind
from device.outbox.outbox import Outbox

MIB = 1024 * 1024


def opened(folder: Path, *, limit_bytes: int = 16 * MIB) -> Outbox:
    """An outbox that has started."""
    outbox = Outbox(folder, limit_bytes=limit_bytes)
    outbox.open()
    return outbox


def fill(outbox: Outbox, boot: str, first: int, last: int, *, size: int = 60) -> None:
    """Append readings of a boot, with these numbers."""
    for seq in range(first, last + 1):
        payload = b'{"boot":"%s","seq":%d,' % (boot.encode(), seq)
        outbox.append(Kind.READINGS, payload.ljust(size - 1, b" ") + b"}", "LGZ:1")


def waiting(outbox: Outbox) -> list[int]:
    """Indices that wait for the broker."""
    return [record.index for record in outbox.read_after(0, 100_000)]


def unconfirmed(outbox: Outbox) -> list[int]:
    """Indices that the broker has and the store has not."""
    return [record.index for record in outbox.read_unconfirmed(0, 100_000_000, 100_000)]


def events(outbox: Outbox) -> dict[str, int]:
    """What was told since the last call, with how many messages each speaks of."""
    found: dict[str, int] = {}
    for notice in outbox.take_notices():
        found[notice.event] = found.get(notice.event, 0) + notice.detail.get("messages", 0)
    return found
