"""When a meter's event log is read, and that each of its entries is told once; a real outbox, no line."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.contract.messages import EventMessage, Parameters
from broker.contract.topics import Kind
from broker.errors import FrameError
from device.history import event_logs
from device.history.event_logs import ENTRIES_A_DAY, MOST_ENTRIES, TRIES, EventLogs
from device.history.log_memory import KnownLog, LogMemory
from meters.specs.spec import Spec
from meters.telegram import MeterTime, ProfileRow
from tests.rigs.meter_port import Rig, take_spec

METER = "EMH:12345678"
SPEC = "emh-lzqj@2"
HOUR = timedelta(hours=1)


class Logs(Rig):
    """A rig whose clock was compared with the platform's, and who has a meter with an event log."""

    def __init__(self, folder: Path, interval_h: float = 24.0) -> None:
        super().__init__(folder)
        self.connected = True
        now_s = time.monotonic()
        self.context.clock.learn(datetime.now(UTC), now_s, now_s)
        take_spec(self, SPEC)
        self.desire(Parameters(event_log_interval_h=interval_h), **{METER.replace(":", "_"): SPEC})
        self.logs = self.started()

    def started(self) -> EventLogs:
        """The logs as a start of the agent finds them."""
        memory = LogMemory(self.folder / "event-logs.json")
        memory.load()
        return EventLogs(self.context, memory, lambda: self.connected)

    def known(self, ago: timedelta) -> None:
        """The log was read so long ago."""
        at = datetime.now(UTC) - ago
        LogMemory(self.folder / "event-logs.json").put(METER, KnownLog(at, at))
        self.logs = self.started()

    def spec(self) -> Spec:
        """The one in force."""
        spec = self.context.effective.spec_of(METER)
        assert spec is not None
        return spec

    async def take(self, logs: EventLogs, *rows: ProfileRow) -> None:
        """What a port reads of a log that is due."""
        span = logs.due(METER)
        assert span is not None
        await logs.take(METER, self.spec(), {"P.98": rows}, span[0])

    def events(self, name: str) -> list[EventMessage]:
        """Events of a name in the outbox."""
        found = [EventMessage.parse(payload) for payload in self.payloads(Kind.EVENTS)]
        return [event for event in found if event.event == name]


def row(at: datetime, status: str = "00000080") -> ProfileRow:
    """The power failed."""
    return ProfileRow(MeterTime(at.replace(tzinfo=None), None, at), (), status)


async def test_entries_are_events_of_their_own_time_each_told_once(tmp_path: Path) -> None:
    """Read again by a command after a start of the agent, only what is new is told."""
    rig = Logs(tmp_path)
    began = (datetime.now(UTC) - 2 * HOUR).replace(microsecond=0)
    rows = [row(began), row(began, "00000001"), row(began + HOUR, "00000040")]
    await rig.take(rig.logs, *rows[:2])
    assert rig.logs.due(METER) is None
    again = rig.started()
    wish = again.ask(METER, 7.0)
    assert wish is not None
    await rig.take(again, *rows)
    assert (wish.done.is_set(), wish.entries, wish.new) == (True, 3, 1)
    told = rig.events("meter_event")
    assert [(one.at, one.severity, one.detail["code"], one.detail["meaning"]) for one in told] == [
        (began, "info", "00000080", "power_failure"),
        (began, "warning", "00000001", "fatal_error"),
        (began + HOUR, "info", "00000040", "power_back"),
    ]
    assert told[0].meter == METER
    assert told[0].detail["log"] == "P.98"


async def test_once_a_day_and_once_an_hour_at_most_after_a_silence(tmp_path: Path) -> None:
    """The first live reading of a start, and one after a silence, have the log read if it was not in the last hour."""
    rig = Logs(tmp_path)
    assert rig.logs.due(METER) is not None
    rig.known(23 * HOUR)
    assert rig.logs.due(METER) is None
    rig.logs.live(METER)
    span = rig.logs.due(METER)
    assert span is not None
    assert span[0] <= datetime.now(UTC) - 46 * HOUR
    rig.known(25 * HOUR)
    assert rig.logs.due(METER) is not None
    rig.known(timedelta(minutes=30))
    rig.logs.live(METER)
    assert rig.logs.due(METER) is None


@pytest.mark.parametrize(
    "prevent",
    [
        lambda rig: setattr(rig, "connected", False),
        lambda rig: rig.desire(**{METER.replace(":", "_"): "generic-p1@1"}),
        lambda rig: rig.desire(Parameters(event_log_interval_h=0), **{METER.replace(":", "_"): SPEC}),
    ],
)
async def test_nothing_is_asked_that_nobody_wants(tmp_path: Path, prevent: Callable[[Logs], None]) -> None:
    """Without a connection, without the spec's section, with an interval of 0."""
    rig = Logs(tmp_path)
    assert rig.logs.due(METER) is not None
    prevent(rig)
    assert rig.logs.due(METER) is None


async def test_what_the_disk_does_not_have_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk refuses nothing is remembered as told."""
    monkeypatch.setattr(event_logs, "RETRY_FIRST_S", 0.0)
    rig = Logs(tmp_path)
    rig.works = False
    await rig.take(rig.logs, row(datetime.now(UTC) - HOUR))
    assert rig.started().due(METER) is not None
    rig.works = True
    await rig.take(rig.logs, row(datetime.now(UTC) - HOUR))
    assert rig.started().due(METER) is None


async def test_a_flood_is_cut_and_told(tmp_path: Path) -> None:
    """The newest entries are kept, and how many were left out is known."""
    rig = Logs(tmp_path)
    began = datetime.now(UTC) - 10 * HOUR
    await rig.take(rig.logs, *(row(began + timedelta(seconds=n)) for n in range(MOST_ENTRIES + 7)))
    told = rig.events("meter_event")
    assert len(told) == MOST_ENTRIES
    assert min(one.at for one in told) == began + timedelta(seconds=7)
    assert [one.detail["left_out"] for one in rig.events("meter_log_cut")] == [7]


async def test_a_meter_that_refuses_is_left_in_peace_for_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three tries, told once; a command that waits gets the reason. Less is asked for where it was too much."""
    monkeypatch.setattr(event_logs, "RETRY_FIRST_S", 0.0)
    rig = Logs(tmp_path)
    span = rig.logs.due(METER)
    assert span is not None
    rig.logs.failed(METER, FrameError("too_long", "262145 octets"))
    shorter = rig.logs.due(METER)
    assert shorter is not None
    assert shorter[0] > span[0] + timedelta(days=20)
    assert rig.logs.entries_of(METER) == MOST_ENTRIES // 2
    wish = rig.logs.ask(METER, 1.0)
    assert wish is not None
    for _ in range(TRIES):
        assert rig.logs.due(METER) is not None
        rig.logs.failed(METER, FrameError("meter_refused", "ER07"))
    assert "ER07" in wish.error
    assert wish.done.is_set()
    assert rig.logs.due(METER) is None
    assert [one.detail["reason"] for one in rig.events("meter_log_refused")] == ["meter_refused"]


async def test_a_damaged_memory_is_told_and_costs_a_first_read(tmp_path: Path) -> None:
    """Where file and copy are damaged the log was never read; where one is, the other counts."""
    rig = Logs(tmp_path)
    rig.known(HOUR)
    (tmp_path / "event-logs.json").write_bytes(b"{")
    assert rig.started().due(METER) is None
    for name in ("event-logs.json", "event-logs.json.copy"):
        (tmp_path / name).write_bytes(b'{"crc32":"00000000","meters":{"x":1}}')
    lost = rig.started()
    assert lost.damage
    assert lost.due(METER) is not None


async def test_a_wish_for_more_days_made_while_a_log_is_read_is_not_ended_by_that_read(tmp_path: Path) -> None:
    """It is read for those days, too; a wish for no more than was read is done with."""
    rig = Logs(tmp_path)
    first = rig.logs.ask(METER, 1.0)
    span = rig.logs.due(METER)
    assert first is not None
    assert span is not None
    more = rig.logs.ask(METER, 30.0)
    assert more is not None
    old = datetime.now(UTC) - timedelta(days=20)
    await rig.logs.take(METER, rig.spec(), {"P.98": [row(datetime.now(UTC) - HOUR)]}, span[0])
    assert (first.done.is_set(), more.done.is_set()) == (True, False)
    assert rig.logs.is_awaited(METER)
    await rig.take(rig.logs, row(old))
    assert (more.done.is_set(), more.new) == (True, 1)
    assert rig.logs.due(METER) is None


async def test_a_talkative_log_leaves_other_events_their_quota(tmp_path: Path) -> None:
    """Of all meters so many entries a day, however often they are read; what is left out is told."""
    rig = Logs(tmp_path)
    began = datetime.now(UTC) - 10 * HOUR
    for times in range(3):
        assert rig.logs.ask(METER, 1.0) is not None
        await rig.take(rig.logs, *(row(began + timedelta(seconds=1000 * times + n)) for n in range(MOST_ENTRIES)))
    assert len(rig.events("meter_event")) == ENTRIES_A_DAY
    assert [(one.detail["told"], one.detail["left_out"]) for one in rig.events("meter_log_cut")] == [(0, MOST_ENTRIES)]
