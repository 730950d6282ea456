"""Telegrams that are ciphered: read by their meter's key, or held for it, each known by its system title."""

from typing import Final, NamedTuple

from broker.errors import FrameError
from device.readings.context import Context
from device.readings.missing_keys import KeyState, MissingKeys
from meters.specs.identify import ciphered_key
from meters.telegram import Frame, Telegram
from meters.wires.meter_key import KeyNeededError
from meters.wires.readers import parse

NOT_FITTING: Final = ("wrong_key", "tag_mismatch", "crc_mismatch")
"""How parsing fails by a key that is not the meter's."""


class Held(NamedTuple):
    """A ciphered telegram that nobody here can read: its meter, '' while its title may be damage, and why."""

    meter: str
    title: str
    state: KeyState
    error: FrameError


class CipheredFrames:
    """Reads frames of one port, ciphered or not."""

    def __init__(self, port: str, context: Context, missing: MissingKeys) -> None:
        self._port = port
        self._context = context
        self._missing = missing

    def read(self, frame: Frame, *, again: bool = False) -> tuple[Telegram, str] | Held:
        """The telegram of a frame, with the key of its meter where it is ciphered.

        `again` is one that waited on disk: its frame counter was judged as it came. Raises FrameError where nothing can
        be made of it, `replayed` where its frame counter did not rise.
        """
        try:
            return parse(frame), ""
        except KeyNeededError as needed:
            title, meter = needed.title, ciphered_key(needed.title)
            key = self._context.keys.of(meter)
            if key is None:
                return self._held(title, meter, "missing", needed, str(frame.protocol))
            try:
                telegram = parse(frame, key)
            except FrameError as error:
                if error.reason not in NOT_FITTING or self._missing.was_good(title):
                    raise
                return self._held(title, meter, "wrong", error, str(frame.protocol))
        if not again and telegram.security is not None:
            counters = self._context.keys.counters
            counters.of(self._port).check(telegram)
            counters.counted(self._port, telegram.security.title, self._context.monotonic())
        self._missing.observe(title, "good", str(frame.protocol))
        return telegram, meter

    def _held(self, title: str, meter: str, state: KeyState, error: FrameError, protocol: str) -> Held:
        self._missing.observe(title, state, protocol, error.detail)
        return Held(meter if self._missing.is_known(title) else "", title, state, error)
