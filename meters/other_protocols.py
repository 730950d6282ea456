"""Meter protocols that Wattline does not read, told by frames whose checks hold, and what reading them needs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from broker.wording import counted
from meters.other_frames import Unit, apdus, ciphered, hdlc, mbus, modbus, wrapper

MAX_LOOKED_BYTES: Final = 64 * 1024
KEPT_BYTES: Final = 2048
"""Of the first frame so many bytes are given."""
KEY: Final = "its readings need the meter's key, which the grid operator gives out, and Wattline does not decrypt yet"
UNREAD: Final = "a protocol that Wattline does not read yet"


@dataclass(frozen=True, slots=True)
class OtherProtocol:
    """What bytes are: `name` is a word for messages, `text` for people; `offset` and `data` are the first frame's."""

    name: str
    text: str
    offset: int
    frames: int
    data: bytes


def recognise(data: bytes) -> OtherProtocol | None:
    """What these bytes are, if frames of another protocol stand in them; chance does not pass for one."""
    data = data[:MAX_LOOKED_BYTES]
    for name, find, tell in _KINDS:
        found = list(find(data))
        if found:
            first = found[0]
            kept = data[first.start : first.end][:KEPT_BYTES]
            return OtherProtocol(name, tell(found), first.start, len(found), kept)
    return None


def _count(found: list[Unit], check: str) -> str:
    sound = [one for one in found if not one.damaged]
    if not sound:
        return f"{counted(len(found), 'frame')}, by its head: its end is torn or damaged"
    return f"{counted(len(sound), 'frame')} with {check}"


def _needs(found: list[Unit]) -> str:
    return f"{UNREAD}; it is encrypted, so {KEY}" if any(one.ciphered for one in found) else UNREAD


def _tell_hdlc(found: list[Unit]) -> str:
    parted = ", in segments" if any(one.parted for one in found) else ""
    return f"DLMS/COSEM over HDLC{parted} ({_count(found, 'the right check sequence')}): {_needs(found)}"


def _tell_mbus(found: list[Unit]) -> str:
    count = _count(found, "the right checksum")
    if any(one.dlms for one in found):
        return f"DLMS/COSEM over M-Bus ({count}): {_needs(found)}"
    who = next((f", {one.who}" for one in found if one.who), "")
    return f"M-Bus{who} ({count}): {UNREAD}, and one in which a master must ask the meter"


def _tell_wrapper(found: list[Unit]) -> str:
    return f"DLMS/COSEM in its TCP wrapper ({_count(found, 'the right length')}): {_needs(found)}"


def _tell_apdus(found: list[Unit]) -> str:
    return f"DLMS/COSEM without the framing of its line ({counted(len(found), 'message')}): {UNREAD}"


def _tell_ciphered(found: list[Unit]) -> str:
    who = found[0].who
    of = f"behind the header {who}" if who.startswith("/") else f"system title {who}"
    return f"an encrypted P1 telegram (general-glo-ciphering, {of}): {KEY}"


def _tell_modbus(found: list[Unit]) -> str:
    return f"Modbus RTU ({_count(found, 'the right CRC')}): {UNREAD}, and one in which a master must ask the meter"


_KINDS: Final[
    tuple[tuple[str, Callable[[bytes], Iterator[Unit]], Callable[[list[Unit]], str]], ...]
] = (
    ("dlms-hdlc", hdlc, _tell_hdlc),
    ("mbus", mbus, _tell_mbus),
    ("dlms-wrapper", wrapper, _tell_wrapper),
    ("p1-encrypted", ciphered, _tell_ciphered),
    ("dlms", apdus, _tell_apdus),
    ("modbus-rtu", modbus, _tell_modbus),
)  # fmt: skip
NAMES: Final = tuple(name for name, _, _ in _KINDS)
"""All that `recognise` may say."""
