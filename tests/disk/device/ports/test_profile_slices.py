"""What a meter keeps, rows and log entries, goes to the meter that answered, whoever was read live before."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from broker.contract.messages import EventMessage, Parameters, Readings, Source
from broker.contract.topics import Kind
from device.history.event_logs import EventLogs
from device.history.history import History
from device.history.log_memory import LogMemory
from device.history.memory import HistoryMemory
from device.line_settings import LineSettings
from device.ports.baud_changeover import ChangeOvers
from device.ports.detection import SIGN_ON
from device.ports.fieldbus import Fieldbus
from device.ports.line import Line
from device.ports.log_slices import LogSlices
from device.ports.memory import PortMemory
from device.ports.profile_slices import ProfileSlices
from device.ports.readout import read_out
from device.readings.intake import Intake
from device.simulator import SimulatedIecMeter, SimulatedPolledDlmsMeter
from device.simulator.log_book import LogBook
from meters.telegram import Frame
from meters.wires.iec62056_signon import SignOn
from tests.rigs.meter_port import Rig, take_spec

EMH = r"EMH5\@01LZQJL0014F"


class Polled(Rig):
    """A port whose meters are asked, each by one spec, and their history."""

    def __init__(self, folder: Path, path: str, spec: str, *keys: str) -> None:
        super().__init__(folder)
        now_s = time.monotonic()
        self.context.clock.learn(datetime.now(UTC), now_s, now_s)
        take_spec(self, spec)
        self.desire(Parameters(history_days_back=0.1), **{key.replace(":", "_"): spec for key in keys})
        memory = HistoryMemory(folder / "history.json")
        self.history = History(self.context, memory, lambda: True)
        self.intake = Intake(path, self.context)
        self.fieldbus = Fieldbus(path, self.context, self.intake)
        change_overs = ChangeOvers(path, self.context, PortMemory(folder / "ports.json"))
        self.slices = ProfileSlices(path, self.context, self.history, self.intake, change_overs, self.fieldbus)
        self.logs = EventLogs(self.context, LogMemory(folder / "event-logs.json"), lambda: True)
        self.log_slices = LogSlices(
            path, self.context, self.logs, self.intake, change_overs, self.fieldbus, self.slices.named_by
        )

    async def sign_on(self, line: Line) -> str:
        """A live read of a D0 meter."""
        frame = await read_out(line, SignOn("", slow=()))
        assert isinstance(frame, Frame), frame
        assert self.intake.take(frame, self.context.clock.now())
        self.slices.live("", self.intake.key, frame)
        return self.intake.key

    async def ask(self, line: Line) -> str:
        """A live read of a DLMS meter."""
        async for address, read in self.fieldbus.read_all(line):
            assert read
            self.slices.live(address, self.intake.key)
        return self.intake.key

    def profiles(self) -> set[str]:
        """The meters of which rows of a memory were delivered."""
        found = [Readings.parse(payload) for payload in self.payloads(Kind.READINGS)]
        return {one.meter for one in found if one.source is Source.PROFILE}

    def events(self, name: str) -> list[EventMessage]:
        """Events of a name in the outbox."""
        found = [EventMessage.parse(payload) for payload in self.payloads(Kind.EVENTS)]
        return [event for event in found if event.event == name]


async def test_rows_of_a_d0_meter_that_was_swapped_meanwhile_are_not_the_old_one_s(tmp_path: Path) -> None:
    """Whoever answers says its serial in programming mode; rows of another one come to nobody, and that is told."""
    old, new = "EMH:12345678", "EMH:87654321"
    async with SimulatedIecMeter(serial="12345678", identification=EMH) as meter:
        rig = Polled(tmp_path, meter.port, "emh-lzqj@2", old, new)
        line = await Line.open(meter.port, SIGN_ON)
        try:
            assert await rig.sign_on(line) == old
            meter.swap("87654321", seed=9)
            assert await rig.slices.read_one(line, {"": old})
            assert rig.profiles() == set()
            [told] = rig.events("history_other_meter")
            assert (told.meter, told.detail["answered"]) == (old, new)
            assert rig.intake.urgent
            assert not await rig.slices.read_one(line, {"": old})
            assert await rig.sign_on(line) == new
            while await rig.slices.read_one(line, {"": new}):
                assert rig.profiles() == {new}
            assert rig.events("history_read")[0].meter == new
        finally:
            await line.close()


async def test_a_d0_meter_that_does_not_say_who_it_is_is_left_in_peace(tmp_path: Path) -> None:
    """Its rows could be anybody's: nothing of it is stored, and a person is told."""
    key = "EMH:12345678"
    async with SimulatedIecMeter(serial="12345678", identification=EMH, names_itself=False) as meter:
        rig = Polled(tmp_path, meter.port, "emh-lzqj@2", key)
        line = await Line.open(meter.port, SIGN_ON)
        try:
            assert await rig.sign_on(line) == key
            assert await rig.slices.read_one(line, {"": key})
        finally:
            await line.close()
    assert rig.profiles() == set()
    assert meter.profiles_asked == []


async def test_rows_of_a_dlms_meter_that_was_swapped_meanwhile_are_not_the_old_one_s(tmp_path: Path) -> None:
    """Whoever answers says its name and serial in the same association."""
    old, new = "LGZ:71823456", "LGZ:87654321"
    async with SimulatedPolledDlmsMeter(serial="71823456") as meter, meter.over_tcp() as url:
        rig = Polled(tmp_path, url, "dlms-asked@2", old, new)
        line = await Line.open(url, LineSettings(9600))
        try:
            known = await rig.fieldbus.find(line, None)
            assert known is not None
            assert await rig.ask(line) == old
            assert await rig.slices.read_one(line, {"16/1": old})
            assert rig.profiles() == {old}
            meter.swap("87654321", seed=9)
            now_at = rig.context.clock.now()
            rig.history.ask(old, now_at - timedelta(days=1), now_at)
            assert await rig.slices.read_one(line, {"16/1": old})
            [told] = rig.events("history_other_meter")
            assert (told.meter, told.detail["answered"]) == (old, new)
            before = len(rig.payloads(Kind.READINGS))
            assert await rig.ask(line) == new
            while await rig.slices.read_one(line, {"16/1": new}):
                pass
            assert rig.profiles() == {old, new}
            later = [Readings.parse(payload) for payload in rig.payloads(Kind.READINGS)[before:]]
            assert {one.meter for one in later if one.source is Source.PROFILE} == {new}
        finally:
            await line.close()


async def test_the_log_of_a_meter_that_was_swapped_meanwhile_is_not_the_old_one_s(tmp_path: Path) -> None:
    """As with rows: a power failure of the new meter is no event of the one that hung there before."""
    second = int(time.time())
    log = LogBook([(second - 7200, second - 3600)])
    d0 = SimulatedIecMeter(serial="12345678", identification=EMH, log=log)
    dlms = SimulatedPolledDlmsMeter(serial="71823456", log=log)
    async with d0, dlms, dlms.over_tcp() as url:
        for number, (meter, path, spec, keys) in enumerate((
            (d0, d0.port, "emh-lzqj@2", ("EMH:12345678", "EMH:87654321")),
            (dlms, url, "dlms-asked@2", ("LGZ:71823456", "LGZ:87654321")),
        )):  # fmt: skip
            (tmp_path / str(number)).mkdir()
            rig, (old, new) = Polled(tmp_path / str(number), path, spec, *keys), keys
            line = await Line.open(path, SIGN_ON if meter is d0 else LineSettings(9600))
            try:
                read = rig.sign_on if meter is d0 else rig.ask
                address = "" if meter is d0 else "16/1"
                assert meter is d0 or await rig.fieldbus.find(line, None) is not None
                assert await read(line) == old
                meter.swap("87654321", seed=9)
                assert await rig.log_slices.read_one(line, {address: old})
                assert rig.events("meter_event") == []
                [told] = rig.events("history_other_meter")
                assert (told.meter, told.detail["answered"]) == (old, new)
                assert await read(line) == new
                assert await rig.log_slices.read_one(line, {address: new})
                assert {event.meter for event in rig.events("meter_event")} == {new}
            finally:
                await line.close()


async def test_a_long_read_on_command_starves_neither_another_meter_s_outage_nor_its_log(tmp_path: Path) -> None:
    """At one line: what an outage left comes first, then meters take turns; a log that is waited for goes first."""
    one, other = "EMH:12345678", "EMH:87654321"
    meter_at = {"": one, "7": other}
    log = LogBook([(int(time.time()) - 7200, int(time.time()) - 3600)])
    async with SimulatedIecMeter(serial="12345678", identification=EMH, log=log) as meter:
        rig = Polled(tmp_path, meter.port, "emh-lzqj@2", one, other)
        line = await Line.open(meter.port, SIGN_ON)
        try:
            assert await rig.sign_on(line) == one
            while await rig.slices.read_one(line, {"": one}):
                pass
            now_at = rig.context.clock.now()
            assert rig.history.ask(one, now_at - timedelta(days=10), now_at) is not None
            rig.slices.live("7", other)
            assert rig.history.due(other) is not None
            assert await rig.slices.read_one(line, meter_at)
            assert rig.history.due(other) is None
            wished = rig.history.due(one)
            assert await rig.slices.read_one(line, meter_at)
            assert rig.history.due(one) != wished
            assert not rig.log_slices.is_awaited(meter_at)
            assert rig.logs.ask(other, 1.0) is not None
            assert rig.log_slices.is_awaited(meter_at)
            assert await rig.log_slices.read_one(line, meter_at)
            assert rig.logs.due(one) is not None
            assert rig.logs.due(other) is None
        finally:
            await line.close()
