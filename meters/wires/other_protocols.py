"""What no reader takes, recognised by frames whose checks hold, and what reading it needs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from broker.wording import counted
from meters.wires.other_frames import Unit, ciphered, mbus, modbus

MAX_SEARCHED_BYTES: Final = 64 * 1024
KEPT_BYTES: Final = 2048
"""Of the first frame so many bytes are given."""
KEY: Final = (
    "its readings need the meter's key, which the grid operator gives out; in this form it is not decrypted yet"
)


@dataclass(frozen=True, slots=True)
class OtherProtocol:
    """What bytes are: `name` is a word for messages, `text` for people; `offset` and `data` are the first frame's."""

    name: str
    text: str
    offset: int
    frames: int
    data: bytes


def recognise(data: bytes) -> OtherProtocol | None:
    """What these bytes are, if frames that no reader takes stand in them; chance does not pass for one."""
    data = data[:MAX_SEARCHED_BYTES]
    for name, find, describe in _KINDS:
        found = list(find(data))
        if found:
            first = found[0]
            kept = data[first.start : first.end][:KEPT_BYTES]
            return OtherProtocol(name, describe(found), first.start, len(found), kept)
    return None


def _describe_mbus(found: list[Unit]) -> str:
    count = f"{counted(len(found), 'frame')} with the right checksum"
    return f"M-Bus ({count}): no meter's reply with readings is among them; a master must ask for it"


def _describe_ciphered(found: list[Unit]) -> str:
    who = found[0].who
    of = f"behind the header {who}" if who.startswith("/") else f"system title {who}"
    return f"an encrypted P1 telegram (general-glo-ciphering, {of}): {KEY}"


def _describe_modbus(found: list[Unit]) -> str:
    count = f"{counted(len(found), 'frame')} with the right CRC"
    return f"Modbus RTU ({count}): no reply right behind its request is among them, and it says nothing without"


_KINDS: Final[
    tuple[tuple[str, Callable[[bytes], Iterator[Unit]], Callable[[list[Unit]], str]], ...]
] = (
    ("mbus", mbus, _describe_mbus),
    ("p1-encrypted", ciphered, _describe_ciphered),
    ("modbus-rtu", modbus, _describe_modbus),
)  # fmt: skip
NAMES: Final = tuple(name for name, _, _ in _KINDS)
"""All that `recognise` may say."""
