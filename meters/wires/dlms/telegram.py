"""A frame of DLMS push, over whichever framing it came, into a telegram of neutral records."""

from dataclasses import dataclass, replace
from typing import Final

from broker.errors import FrameError
from meters.telegram import Frame, MeterTime, Record, Security, Telegram, Wire
from meters.wires.aes_gcm import decipher
from meters.wires.dlms.ciphered import GENERAL, Ciphered, read_ciphered, title_maker, title_text
from meters.wires.dlms.facts import facts_of
from meters.wires.dlms.lists import Listed, read_list
from meters.wires.dlms.message import Notification, read_notification
from meters.wires.dlms.scanner import Message, link_of
from meters.wires.dlms.units import NotAUnitError
from meters.wires.dlms.wrapper import WRAPPED, unwrapped
from meters.wires.meter_key import KeyNeededError, MeterKey

_FLAGS: Final = b"\x7e\x7e"


@dataclass(frozen=True, slots=True)
class Carried:
    """The message that a frame carries, and where in the frame each piece of it begins."""

    message: bytes
    pieces: tuple[tuple[int, int], ...]

    def place(self, at: int) -> int:
        """The place in the frame of an octet of the message."""
        start, there = next((piece for piece in reversed(self.pieces) if piece[0] <= at), (0, 0))
        return there + at - start


def carried(data: bytes) -> Carried:
    """The message in the units of a frame. Raises FrameError where they hold none that is whole."""
    if data[:2] == WRAPPED:
        return Carried(unwrapped(data), ((0, 8),))
    link = link_of(data[0]) if data else None
    if link is None:
        return Carried(data, ((0, 0),))
    message: Message = link.message()
    at = 0
    try:
        while at < len(data):
            if data[at : at + 2] == _FLAGS:
                at += 1
                continue
            unit = link.next_unit(data, at, final=True)
            if unit is None:
                break
            whole = message.take(unit)
            if whole is not None:
                return Carried(whole, tuple(message.pieces))
            at = unit.end
    except NotAUnitError:
        pass
    raise FrameError("truncated", "the message ends before its last part", offset=at, data=data)


def parse_dlms(frame: Frame, key: MeterKey | None = None) -> Telegram:
    """The telegram of a frame.

    Raises KeyNeededError where it is ciphered and no key is given, and FrameError: `tag_mismatch`, `wrong_key` where
    what comes out is no message, `unsupported` for what is no pushed list, `malformed`, `empty`.
    """
    try:
        telegram = telegram_of(carried(frame.data).message, key)
    except KeyNeededError as error:
        error.data = frame.data
        raise
    except FrameError as error:
        raise FrameError(error.reason, error.detail, offset=error.offset, data=frame.data) from error
    return replace(telegram, frame=frame.data)


def telegram_of(message: bytes, key: MeterKey | None) -> Telegram:
    """The telegram of a message without its frame. Raises as parse_dlms does."""
    plain, security = deciphered(message, key)
    notification, listed = read_plain(plain, security)
    records = tuple(placed.record for placed in listed.placed)
    facts = facts_of(records, listed.push)
    if listed.asked:
        facts["asked"] = "yes"
    if security is not None:
        facts["system_title"] = security.title
        if security.maker:
            facts.setdefault("manufacturer", security.maker)
    at = _time(records) or notification.time
    return Telegram(Wire.DLMS, records, facts, at, listed.profile, security=security)


def deciphered(
    message: bytes, key: MeterKey | None, what: str = "a ciphered DLMS push"
) -> tuple[bytes, Security | None]:
    """A message in clear, and how it was protected. Raises KeyNeededError, FrameError."""
    if message[:1] == b"" or message[0] not in GENERAL:
        return message, None
    envelope = read_ciphered(message)
    if key is None:
        if envelope.encrypted:
            raise KeyNeededError(title_text(envelope.title), what)
        return envelope.content, _security(envelope, verified=False)
    plain, verified = decipher(envelope, key)
    return plain, _security(envelope, verified=verified)


def _security(envelope: Ciphered, *, verified: bool) -> Security:
    title, maker = title_text(envelope.title), title_maker(envelope.title)
    return Security(title, maker, envelope.counter, verified)


def read_plain(plain: bytes, security: Security | None) -> tuple[Notification, Listed]:
    """A message in clear and its list. Raises FrameError."""
    unsure = security is not None and not security.verified
    try:
        notification = read_notification(plain)
    except FrameError as error:
        if unsure:
            raise FrameError("wrong_key", "deciphered it is no message: a wrong key, or a damaged one") from error
        raise
    if unsure and not notification.whole:
        # nothing but a message without a flaw shows that an unchecked one was deciphered by the right key
        raise FrameError("wrong_key", "deciphered it is no whole message: a wrong key, or a damaged one")
    listed = read_list(notification.elements, notification.count)
    if not listed.placed and not listed.profile:
        raise FrameError("empty", "a message without values")
    return notification, listed


def _time(records: tuple[Record, ...]) -> MeterTime | None:
    """The meter's clock where it stands in the list: 0-b:1.0.0."""
    return next((one.at for one in records if one.at is not None and one.address[3:] == ":1.0.0"), None)
