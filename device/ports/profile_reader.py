"""A range of a meter's memory read over its line: one reader for each protocol that has one, all alike to callers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from pydantic import SecretStr

from broker.errors import FrameError
from device.ports.conversation import converse
from device.ports.line import Line
from meters.decoding.profile import profile_request
from meters.specs.spec import Spec
from meters.telegram import Telegram, Wire
from meters.wires.iec62056 import parse_iec62056
from meters.wires.iec62056_programming import PASSWORD, REFUSED, ProgrammingSession

LONGEST_ANSWER_S: Final = 300.0
"""Some six kilobytes at 300 baud: a day of a meter that follows no change-over."""


class ProfileReader(Protocol):
    """Reads rows of one meter's load profile."""

    async def read(self, line: Line, since: datetime, until: datetime) -> Telegram | FrameError:
        """The rows of intervals that ended after `since` and not after `until` (aware UTC), in their order.

        It may give more. The telegram's facts say which meter answered, by what it told in this very conversation,
        which is one of its own and leaves the line as a live read wants it. A FrameError of reason `meter_refused` says
        that the meter will not tell; any other may be a matter of the moment. Raises LineGoneError.
        """
        ...


@dataclass(frozen=True, slots=True)
class IecProfileReader:
    """Reads by programming mode of IEC 62056-21; `zone` is that of the meter's stamps, `slow` as in a sign-on.

    `named_by` is the register that has the meter's serial, '' where its identification line has it.
    """

    spec: Spec
    address: str
    zone: str
    slow: Collection[str]
    password: str | None = None
    named_by: str = ""

    async def read(self, line: Line, since: datetime, until: datetime) -> Telegram | FrameError:
        """See ProfileReader."""
        history = self.spec.history
        if history is None:
            return FrameError(REFUSED, f"{self.spec.ref} says no history")
        question = profile_request(history, since, until, self.zone or self.spec.time.zone)
        address = self.address or self.spec.link.address
        session = ProgrammingSession(
            history.command, question, named_by=self.named_by, password=self.password, address=address,
            max_baud=self.spec.link.max_baud, slow=self.slow,
        )  # fmt: skip
        found = await converse(line, session, longest_s=LONGEST_ANSWER_S)
        if isinstance(found, FrameError):
            return found
        try:
            return parse_iec62056(found)
        except FrameError as error:
            return error


def profile_reader(
    spec: Spec, *, address: str, zone: str, slow: Collection[str], passwords: Mapping[str, SecretStr],
    given: str | None = None, named_by: str = "",
) -> ProfileReader | FrameError:  # fmt: skip
    """The reader of a meter with this spec; a refusal where it can't be read.

    `given` is the meter's password as the platform has it, which counts before those of the settings by name.
    """
    history = spec.history
    if history is None or spec.match.protocol is not Wire.IEC62056_21:
        return FrameError(REFUSED, f"{spec.ref} says no history that is read over {spec.match.protocol}")
    password = password_of(spec, history.password_ref, passwords, given)
    if isinstance(password, FrameError):
        return password
    return IecProfileReader(spec, address, zone, slow, password, named_by)


def password_of(
    spec: Spec, reference: str | None, passwords: Mapping[str, SecretStr], given: str | None
) -> str | FrameError | None:
    """The password for programming mode, None where the spec names none; a refusal where it is not here or is none."""
    if not reference:
        return None
    named = passwords.get(reference)
    password = given if given is not None or named is None else named.get_secret_value()
    if password is None:
        why = f"{spec.ref} wants a password: wattline meter key set --password-file, or {reference} in"
        return FrameError(REFUSED, f"{why} WATTLINE_DEVICE_PASSWORDS")
    if PASSWORD.fullmatch(password) is None:
        return FrameError(REFUSED, "its password is none of 1 to 32 characters of printable ASCII without brackets")
    return password
