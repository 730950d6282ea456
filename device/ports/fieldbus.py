"""The meters at an M-Bus, Modbus or DLMS line or server: found politely, identified, and asked in turn."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

import structlog

from broker.errors import FrameError
from device.line_settings import LineSettings
from device.ports.conversation import converse, search
from device.ports.detection import SNRM_LINE, KnownLine
from device.ports.fieldbus_address import (
    LINES,
    PUBLIC,
    SCAN,
    SIGNED_ON,
    FieldbusAddress,
    fieldbus_addresses,
    served_by,
)
from device.ports.line import Line
from device.ports.log_reader import LogReader
from device.ports.meter_access import MeterAccess
from device.ports.profile_reader import ProfileReader
from device.readings.context import Context
from device.readings.intake import Intake
from meters.specs.spec import Spec
from meters.telegram import Frame, Wire
from meters.wires.mbus.master import MbusSession
from meters.wires.mbus.scan import MbusScan
from meters.wires.meter_key import KeyNeededError
from meters.wires.modbus.frames import HOLDING, INPUT, Exchange, Read, exchanges
from meters.wires.modbus.identity import facts_of, next_identifying
from meters.wires.modbus.scan import ModbusScan
from meters.wires.modbus.session import Choose, ModbusSession, one_by_one

if TYPE_CHECKING:
    from device.ports.dlms_station import DlmsStation, Secrets

log = structlog.get_logger()

ANYTHING: Final = (Read(INPUT, 0, 2), Read(HOLDING, 0, 2), Read(INPUT, 1, 2), Read(HOLDING, 1, 2))
"""Where nobody says who answers, one of these shows that somebody does."""
LEAST_S: Final = {Wire.MBUS: 10.0, Wire.DLMS: 5.0}
UNKNOWN_MAKER: Final = "UNK"


@dataclass(slots=True)
class _Station:
    """One meter: its address, the key by which it is known; of Modbus what tells who it is, of DLMS what is known."""

    address: FieldbusAddress
    key: str = ""
    identity: tuple[Read, ...] = ()
    facts: dict[str, str] | None = None
    dlms: "DlmsStation | None" = None


class Fieldbus:
    """The meters of one port that the setting BUS names, or that are found; falsy where nobody is to be asked there."""

    def __init__(self, path: str, context: Context, meter: Intake) -> None:
        self.path = path
        self._context = context
        self._meter = meter
        self._addresses = fieldbus_addresses(path, context.settings.bus.get(path, ()))
        self._tcp = served_by(path) is not None
        self._access = MeterAccess(path, context)
        self._stations: list[_Station] = []
        self._found_by_itself = False
        self._signs_on = False

    def __bool__(self) -> bool:
        return bool(self._addresses)

    @property
    def least_s(self) -> float:
        """A meter is asked no more often than this: many at an M-Bus line live by a battery or answer slowly."""
        return LEAST_S.get(self.wire, 0.0) if self else 0.0

    async def discover(self, line: Line) -> KnownLine | None:
        """Ask once, by the public client, whether a DLMS meter is here; the port is its own as long as it answers."""
        from device.ports.dlms_station import DlmsStation  # noqa: PLC0415 - see _dlms
        from meters.wires.dlms.client.station import Station  # noqa: PLC0415

        line.configure(SNRM_LINE)
        self._meter.on_line(SNRM_LINE)
        self._addresses = (FieldbusAddress(Wire.DLMS, PUBLIC),)
        station = _Station(self._addresses[0], dlms=DlmsStation(Station.parse(PUBLIC), attempts=1))
        # silence is no failure: hardly any port has such a meter
        frame = await self._ask(line, station)
        if isinstance(frame, Frame) and self._meter.take(frame, self._context.clock.now()):
            station.key = self._meter.key
            station.dlms = None
            self._stations, self._found_by_itself = [station], True
            return KnownLine(SNRM_LINE, Wire.DLMS, poll=True)
        self._addresses = ()
        return None

    @property
    def meters(self) -> tuple[str, ...]:
        """The keys of those that were read, from the first time on."""
        return tuple(station.key for station in self._stations if station.key)

    def leave(self) -> None:
        """What was found without being stated is gone: anybody may be here."""
        if self._found_by_itself:
            self._addresses, self._stations, self._found_by_itself = (), [], False

    @property
    def wire(self) -> Wire:
        """Its protocol."""
        return self._addresses[0].wire

    async def find(self, line: Line, known: KnownLine | None) -> KnownLine | None:
        """The line settings by which somebody answers, with those that do; None where nobody does by any."""
        async for settings in self._settings(line, known):
            self._stations = [_Station(address) for address in await self._present(line, settings)]
            answered = [await self.read(line, station) for station in self._stations]
            if any(answered):
                return KnownLine(settings, self.wire, poll=True)
        return None

    async def read_all(self, line: Line) -> AsyncIterator[tuple[str, bool]]:
        """Ask each meter once: its address, and whether it was read."""
        for station in self._stations:
            yield station.address.station, await self.read(line, station)

    def is_unread(self, address: str) -> bool:
        """Whether this is a DLMS meter's address, and none was read at it since the port was found."""
        known = {one.address.station for one in self._stations if one.dlms is not None and one.key}
        return bool(self) and self.wire is Wire.DLMS and address not in known

    def profile_reader(self, address: str, spec: Spec) -> ProfileReader | None:
        """How the memory of the meter at an address is read; None where it has none that is."""
        station = next((one for one in self._stations if one.address.station == address), None)
        if station is None or station.dlms is None:
            return None
        from device.ports.dlms_station import DlmsProfileReader  # noqa: PLC0415 - see _dlms

        context = self._context
        return DlmsProfileReader(
            station.dlms, spec, self._secrets(station), context.clock.now, context.config.parameters.time_zone,
            self._signs_on,
        )  # fmt: skip

    def dlms_at(self, meter: str) -> "tuple[DlmsStation, Secrets, bool] | None":
        """How a DLMS meter is visited that was read here: its station, its secrets, and whether by a sign-on."""
        station = next((one for one in self._stations if one.key == meter), None)
        if station is None or station.dlms is None:
            return None
        return station.dlms, self._secrets(station), self._signs_on

    def log_reader(self, address: str, spec: Spec, newest: int) -> LogReader | None:
        """How the event log of the meter at an address is read, `newest` of one by entry; None where it has none."""
        station = next((one for one in self._stations if one.address.station == address), None)
        if station is None or station.dlms is None:
            return None
        from device.ports.dlms_log import DlmsLogReader  # noqa: PLC0415 - see _dlms

        context = self._context
        return DlmsLogReader(
            station.dlms, spec, self._secrets(station), context.clock.now, context.config.parameters.time_zone,
            self._signs_on, newest,
        )  # fmt: skip

    async def read(self, line: Line, station: _Station) -> bool:
        """Ask one meter; whether it was read."""
        frame = await self._ask(line, station)
        context = self._context
        if isinstance(frame, Frame):
            read = self._meter.take(frame, context.clock.now(), self._stated(station))
            if read:
                station.key = self._meter.key
            return read
        self._meter.fail(frame, context.clock.now())
        # what has become silent may be another one when it speaks again
        station.identity, station.facts = (), None
        log.info("poll_failed", port=self.path, address=station.address.station, reason=frame.reason)
        return False

    async def _settings(self, line: Line, known: KnownLine | None) -> AsyncIterator[LineSettings]:
        first = (known.settings,) if known is not None and known.protocol is self.wire else ()
        for settings in dict.fromkeys((*first, *(LINES[self.wire] if not self._tcp else LINES[self.wire][:1]))):
            line.configure(settings)
            self._meter.on_line(settings)
            self._signs_on = settings == SIGNED_ON and not self._tcp
            yield settings

    async def _present(self, line: Line, settings: LineSettings) -> list[FieldbusAddress]:
        """The addresses of the setting, with those found where it says `scan`."""
        found: list[FieldbusAddress] = []
        for address in self._addresses:
            if address.station != SCAN:
                found.append(address)
                continue
            scan = (
                MbusScan(baud=settings.baud, primary=range(251))
                if address.wire is Wire.MBUS
                else ModbusScan(units=address.units, baud=settings.baud, tcp=self._tcp)
            )
            await search(line, scan)
            names = [str(name) for name in scan.found]
            if names:
                self._context.outgoing.event("bus_scanned", port=self.path, found=names[:100], line=str(settings))
            found += [FieldbusAddress(address.wire, name) for name in names]
        return found

    async def _ask(self, line: Line, station: _Station) -> Frame | FrameError:
        if self.wire is Wire.MBUS:
            return await self._mbus(line, station)
        return await (self._dlms(line, station) if self.wire is Wire.DLMS else self._modbus(line, station))

    async def _dlms(self, line: Line, station: _Station) -> Frame | FrameError:
        """A poll by the spec in force, and by the public client where that is not known or its secret is not here."""
        # an agent without such a meter does without the client's memory
        from device.ports.dlms_station import DlmsStation  # noqa: PLC0415
        from meters.wires.dlms.client.station import Station  # noqa: PLC0415

        if station.dlms is None:
            station.dlms = DlmsStation(Station.parse(station.address.station), over_tcp=self._tcp)
        context = self._context
        spec = context.effective.spec_of(station.key)
        read = partial(
            station.dlms.read, line, own=self._secrets(station), now_at=context.clock.now(), optical=self._signs_on
        )
        try:
            found = await read(spec=spec)
        except KeyNeededError as error:
            self._meter.missing_keys.observe(error.title, "missing", str(Wire.DLMS), error.detail)
            self._access.lacks(station.key, "secret_missing", error.detail)
            return await read(spec=None)
        if spec is not None:
            self._access.judge(station.key, found)
        return found

    def _secrets(self, station: _Station) -> "Secrets":
        from device.ports.dlms_station import Secrets  # noqa: PLC0415 - see _dlms

        keys = self._context.keys
        return Secrets(self._context.settings.dlms_secrets, keys.of(station.key), keys.password_of(station.key))

    async def _mbus(self, line: Line, station: _Station) -> Frame | FrameError:
        return await converse(line, MbusSession(station.address.station, line.settings.baud))

    async def _modbus(self, line: Line, station: _Station) -> Frame | FrameError:
        """A poll by the spec in force; who it is is read along each time, so that a swap shows at once."""
        if station.facts is None:
            error = await self._identify(line, station)
            if error is not None:
                return error
        spec = self._context.effective.spec_of(station.key)
        planned = spec.registers.reads(station.facts) if spec is not None and spec.registers is not None else ()
        reads = (*station.identity, *planned)
        return await converse(line, self._session(line, station, one_by_one(reads)))

    async def _identify(self, line: Line, station: _Station) -> FrameError | None:
        product = station.address.product

        def choose(done: Sequence[Exchange]) -> Read | None:
            read = next_identifying(done, product)
            if read is None and not any(not one.exception for one in done):
                read = next((one for one in ANYTHING if one not in {each.read for each in done}), None)
            return read

        session = self._session(line, station, choose, patient=False)
        found = await converse(line, session)
        if isinstance(found, FrameError):
            return found
        done = exchanges(found.data)
        station.identity = tuple(one.read for one in done if not one.exception)
        station.facts = facts_of(done)
        return None if station.identity else FrameError("no_answer", "the unit refuses all that tells who it is")

    def _session(self, line: Line, station: _Station, choose: Choose, *, patient: bool = True) -> ModbusSession:
        unit = int(station.address.station)
        return ModbusSession(unit, choose, baud=line.settings.baud, tcp=self._tcp, patient=patient)

    def _stated(self, station: _Station) -> dict[str, str]:
        """Facts of a Modbus unit that its wire does not tell: the product that a person names, a key by its place."""
        if self.wire is not Wire.MODBUS:
            return {}
        place = f"{self._context.device}/{PurePath(self.path).name}/{station.address.station}"
        stated = {"manufacturer": UNKNOWN_MAKER, "serial": place}
        return {**stated, "product": station.address.product} if station.address.product else stated
