"""A range of a meter's event log read over its line: one reader for each protocol that has one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import SecretStr

from broker.errors import FrameError
from device.ports.conversation import converse
from device.ports.line import Line
from device.ports.profile_reader import LONGEST_ANSWER_S, password_of
from meters.decoding.profile import log_request
from meters.specs.spec import Spec
from meters.telegram import ProfileRow, Telegram, Wire
from meters.wires.iec62056 import parse_iec62056
from meters.wires.iec62056_programming import REFUSED, ProgrammingSession


@dataclass(frozen=True, slots=True)
class ReadLog:
    """The entries of one log in the order of the meter, and what tells `by` whom.

    `name` is P.98, or the code of the profile generic.
    """

    name: str
    rows: tuple[ProfileRow, ...]
    by: Telegram


class LogReader(Protocol):
    """Reads the event logs of one meter."""

    async def read(self, line: Line, since: datetime, until: datetime) -> tuple[ReadLog, ...] | FrameError:
        """Entries whose stamps lie between two instants (aware UTC); it may give more. See ProfileReader.

        Raises LineGoneError.
        """
        ...


@dataclass(frozen=True, slots=True)
class IecLogReader:
    """Reads by programming mode of IEC 62056-21; `zone` is that of the meter's stamps, `slow` as in a sign-on."""

    spec: Spec
    address: str
    zone: str
    slow: Collection[str]
    password: str | None = None
    named_by: str = ""

    async def read(self, line: Line, since: datetime, until: datetime) -> tuple[ReadLog, ...] | FrameError:
        """See LogReader."""
        section = self.spec.event_log
        if section is None:
            return FrameError(REFUSED, f"{self.spec.ref} says no event log")
        question = log_request(section, since, until, self.zone or self.spec.time.zone)
        session = ProgrammingSession(
            section.command, question, named_by=self.named_by, password=self.password,
            address=self.address or self.spec.link.address, max_baud=self.spec.link.max_baud, slow=self.slow,
        )  # fmt: skip
        found = await converse(line, session, longest_s=LONGEST_ANSWER_S)
        if isinstance(found, FrameError):
            return found
        try:
            telegram = parse_iec62056(found)
        except FrameError as error:
            return error
        return (ReadLog(section.method.upper(), telegram.log, telegram),)


def log_reader(
    spec: Spec, *, address: str, zone: str, slow: Collection[str], passwords: Mapping[str, SecretStr],
    given: str | None = None, named_by: str = "",
) -> LogReader | FrameError:  # fmt: skip
    """The reader of a meter with this spec; a refusal where it can't be read. `given` as of profile_reader."""
    section = spec.event_log
    if section is None or spec.match.protocol is not Wire.IEC62056_21:
        return FrameError(REFUSED, f"{spec.ref} says no event log that is read over {spec.match.protocol}")
    password = password_of(spec, section.password_ref, passwords, given)
    if isinstance(password, FrameError):
        return password
    return IecLogReader(spec, address, zone, slow, password, named_by)
