"""One DLMS meter that is asked: by the public client until its spec is known, then as the spec says."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from pydantic import SecretStr

from broker.contract.obis import Obis
from broker.errors import ContractError, FrameError
from broker.zones import zone_info
from device.ports.conversation import converse
from device.ports.line import Line
from meters.specs.spec import Spec
from meters.telegram import Frame, Telegram
from meters.wires.dlms.client.hdlc_link import HdlcLink
from meters.wires.dlms.client.link import Link
from meters.wires.dlms.client.optical import OpticalSignOn
from meters.wires.dlms.client.profile import profile
from meters.wires.dlms.client.reading import VALUES, KnownMeter, snapshot
from meters.wires.dlms.client.services import Attribute
from meters.wires.dlms.client.session import DlmsSession, Plan
from meters.wires.dlms.client.station import TITLE_BYTES, Access, Authentication, Station
from meters.wires.dlms.client.wrapper_link import WrapperLink
from meters.wires.iec62056_programming import REFUSED
from meters.wires.meter_key import KeyNeededError, MeterKey
from meters.wires.readers import parse

MAKER: Final = b"WTL"
CHALLENGE_BYTES: Final = 16
_EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)
_COUNTERS_A_SECOND: Final = 8
"""More than any visit uses on a line; by the year 2037 all frame counters are used up."""
_COUNTERS: Final = 2**32
_OPTICAL_BAUD: Final = 1200
"""Behind a sign-on the rate is the meter's to propose: waits fit a slow one."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What may let the client in at a meter: what the platform gave goes before the settings' secrets by name."""

    named: Mapping[str, SecretStr]
    key: MeterKey | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class DlmsStation:
    """A meter's address at a port, what is known of it, and the frame counter that was used last.

    A frame counter must never come again with a key: it goes by the clock, so that it rises over restarts, and never
    falls within a run; the client's system title is another one each time, so that a clock set back repeats nothing.
    """

    address: Station
    over_tcp: bool = False
    attempts: int = 0
    """How often an opening of the link is asked for, 0 for as often as usual."""
    known: KnownMeter = field(default_factory=KnownMeter)
    counter: int = 0

    async def read(
        self, line: Line, spec: Spec | None, own: Secrets, now_at: datetime, *, optical: bool
    ) -> Frame | FrameError:
        """Read all values of this moment. Raises LineGoneError; KeyNeededError where the spec's secret is missing."""
        wanted = _objects(spec)
        if wanted != self.known.wanted:
            self.known = KnownMeter(wanted)
        return await self.visit(line, spec, own, now_at, partial(snapshot, self.known), optical=optical)

    async def visit(
        self,
        line: Line,
        spec: Spec | None,
        own: Secrets,
        now_at: datetime,
        plan: Plan,
        *,
        optical: bool,
        sets: bool = False,
    ) -> Frame | FrameError:
        """Do a plan at the meter, with the right to SET where it `sets` its clock. Raises as read does."""
        station = _station(spec, self.address)
        counter = max(self.counter, int((now_at - _EPOCH).total_seconds() * _COUNTERS_A_SECOND))
        access = replace(access_of(spec, own, counter), sets=sets)
        link = self._link(station, _OPTICAL_BAUD if optical else line.settings.baud)
        session = DlmsSession(
            link, access, plan, challenge=secrets.token_bytes(CHALLENGE_BYTES),
            optical=OpticalSignOn(max_baud=_max_baud(spec)) if optical else None,
        )  # fmt: skip
        found = await converse(line, session)
        if counter + session.sends < _COUNTERS:
            # a clock that ran ahead for a while uses nothing up
            self.counter = counter + session.sends + 1
        return found

    def _link(self, station: Station, baud: int) -> Link:
        if self.over_tcp:
            return WrapperLink(station)
        link = HdlcLink(station, baud=baud)
        link.attempts = self.attempts or link.attempts
        return link


@dataclass(frozen=True, slots=True)
class DlmsProfileReader:
    """Reads a profile generic of one meter; `zone` is that of its clock where that states no deviation from UTC."""

    station: DlmsStation
    spec: Spec
    own: Secrets
    now: Callable[[], datetime]
    zone: str
    optical: bool

    async def read(self, line: Line, since: datetime, until: datetime) -> Telegram | FrameError:
        """See device.ports.profile_reader.ProfileReader."""
        history = self.spec.history
        if history is None or history.method != "profile_generic":
            return FrameError(REFUSED, f"{self.spec.ref} says no history that is read by DLMS")
        early = timedelta(seconds=history.capture_period_s if history.label == "start" else 0)
        zone = zone_info(history.zone or self.zone or self.spec.time.zone or "UTC")
        plan = partial(
            profile, start_at=since - early, end_at=until, zone=zone, name=history.profile,
            who=self.station.known.identifying,
        )  # fmt: skip
        try:
            found = await self.station.visit(line, self.spec, self.own, self.now(), plan, optical=self.optical)
            return found if isinstance(found, FrameError) else parse(found)
        except KeyNeededError as error:
            return FrameError(REFUSED, error.detail)
        except FrameError as error:
            return error


def access_of(spec: Spec | None, own: Secrets, counter: int) -> Access:
    """By what a meter of this spec lets the client in.

    Raises KeyNeededError where its secret is not here or is none, without showing it.
    """
    asked = spec.link.dlms if spec is not None else None
    if spec is None or asked is None or asked.authentication == "none":
        return Access()
    reference = spec.decode.key_ref or ""
    secret = own.named.get(reference)
    text = secret.get_secret_value() if secret else ""
    try:
        return _access(Authentication(asked.authentication), text, own, counter)
    except ContractError as error:
        needed = KeyNeededError(reference, "")
        wanted = f"its keys or password (wattline meter key set), or secret {reference} in WATTLINE_DEVICE_DLMS_SECRETS"
        needed.detail = f"{spec.ref} asks by {asked.authentication} and wants {wanted}: {error}"
        raise needed from None


def _access(authentication: Authentication, secret: str, own: Secrets, counter: int) -> Access:
    """What the platform gave, else of the secret: a password as it is, both keys in hex with a `/` between them.

    Raises ContractError that shows nothing of them.
    """
    if authentication is Authentication.LLS:
        return Access(authentication, password=(own.password or secret).encode())
    key = own.key
    if key is None or not key.authentication:
        key = MeterKey.parse(*secret.partition("/")[::2])
    title = MAKER + secrets.token_bytes(TITLE_BYTES - len(MAKER))
    return Access(authentication, key=key, title=title, counter=counter)


def _station(spec: Spec | None, address: Station) -> Station:
    """Client and logical device by the spec, the physical device by the setting where that names one."""
    asked = spec.link.dlms if spec is not None else None
    if asked is None:
        return address
    if address.physical or address.octets:
        return Station(asked.client, asked.logical, address.physical, address.octets)
    return Station(asked.client, asked.logical, asked.physical, asked.octets or 0)


def _objects(spec: Spec | None) -> tuple[Attribute, ...]:
    asked = spec.link.dlms if spec is not None else None
    if asked is None:
        return ()
    codes = ((one.kind, Obis.parse(one.obis)) for one in asked.objects)
    return tuple(Attribute(kind, bytes((o.a, o.b, o.c, o.d, o.e, o.f)), VALUES[kind]) for kind, o in codes)


def _max_baud(spec: Spec | None) -> int:
    return spec.link.max_baud if spec is not None else 9600
