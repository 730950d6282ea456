"""What is wanted of a meter's memory over power cuts, refusals and a full disk; a real outbox, no line."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.contract.messages import EventMessage, Parameters, Readings, Source
from broker.contract.topics import Kind
from broker.errors import FrameError
from device.history.history import SAVE_EVERY_S, History
from device.history.memory import HistoryMemory, Known
from device.history.spans import NOTHING_OLDER_S, Span
from device.history.tries import REFUSALS
from meters.decoding.profile import interval_ends
from meters.telegram import MeterTime, ProfileRow, Record
from meters.wires.iec62056_dataset import number
from tests.rigs.meter_port import Rig, take_spec

METER = "EMH:12345678"
SPEC = "emh-lzqj@2"
BEGAN = datetime(2000, 1, 1, tzinfo=UTC)


class Kept(Rig):
    """A rig whose clock was compared with the platform's, and who has a meter that remembers."""

    def __init__(self, folder: Path, days_back: float = 1.0) -> None:
        super().__init__(folder)
        self.connected = True
        now_s = time.monotonic()
        self.context.clock.learn(datetime.now(UTC), now_s, now_s)
        take_spec(self, SPEC)
        self.desire(Parameters(history_days_back=days_back), **{METER.replace(":", "_"): SPEC})
        self.history = self.started()

    def started(self) -> History:
        """The history as a start of the agent finds it."""
        memory = HistoryMemory(self.folder / "history.json")
        memory.load()
        return History(self.context, memory, lambda: self.connected)

    async def read(self, history: History, took_s: float = 1.0, began: datetime = BEGAN) -> Span | None:
        """One slice, as a port does it; a row for each quarter-hour since the meter's memory `began`."""
        span, spec = history.due(METER), self.context.effective.spec_of(METER)
        if span is None or spec is None:
            return None
        first = int(span.since.timestamp() // 900 + 1) * 900
        rows = [
            row(datetime.fromtimestamp(second, UTC))
            for second in range(first, int(span.until.timestamp()) + 1, 900)
            if second >= began.timestamp()
        ]
        assert len(list(interval_ends(rows, spec.history, None))) == len(rows)
        await history.take(METER, spec, span, rows, took_s)
        return span

    def events(self, name: str) -> list[EventMessage]:
        """Events of a name in the outbox."""
        found = [EventMessage.parse(payload) for payload in self.payloads(Kind.EVENTS)]
        return [event for event in found if event.event == name]


def row(at: datetime) -> ProfileRow:
    """A quarter-hour of one kilowatt."""
    return ProfileRow(MeterTime(at.replace(tzinfo=None), None, at), (Record("1-0:1.5.0", number("1.0"), "kW"),))


async def test_slices_go_on_after_a_power_cut_and_none_is_read_twice(tmp_path: Path) -> None:
    """A day in slices, the agent started anew after each: every quarter-hour once, told as read when all of it is."""
    rig = Kept(tmp_path)
    now_at = datetime.now(UTC)
    rig.history.live(METER, now_at)
    history, slices = rig.history, 0
    while (await rig.read(history)) is not None:
        history, slices = rig.started(), slices + 1
        assert len(rig.events("history_read")) == (history.due(METER) is None)
    assert slices == 4
    times = rig.times()
    assert len(times) == len(set(times)) == 96
    assert {Readings.parse(payload).source for payload in rig.payloads(Kind.READINGS)} == {Source.PROFILE}
    assert rig.events("history_read")[0].detail["intervals"] == 96
    history.live(METER, now_at + timedelta(seconds=60))
    assert history.due(METER) is None


async def test_what_the_disk_does_not_have_is_read_again(tmp_path: Path) -> None:
    """While the disk refuses the position stays; the same readings come again, which change nothing in the store."""
    rig = Kept(tmp_path, 0.1)
    rig.history.live(METER, datetime.now(UTC))
    rig.works = False
    span = await rig.read(rig.history)
    rig.works = True
    again = rig.started()
    assert again.due(METER) == span
    await rig.read(again)
    assert rig.started().due(METER) is None


async def test_an_outage_is_what_lies_between_two_live_readings(tmp_path: Path) -> None:
    """A silence of less than a period is none; over a restart the mark on disk counts, and nothing at first with 0."""
    rig = Kept(tmp_path, 0)
    began = datetime.now(UTC) - timedelta(days=2)
    for minutes in (0, 10, 20, 30):
        rig.history.live(METER, began + timedelta(minutes=minutes))
    assert rig.history.due(METER) is None
    later = began + timedelta(days=1)
    history = rig.started()
    history.live(METER, later)
    [wanted] = rig.events("history_wanted")
    since = datetime.fromisoformat(wanted.detail["since"])
    assert began + timedelta(minutes=30, seconds=-SAVE_EVERY_S) <= since <= began + timedelta(minutes=30)
    assert (wanted.detail["why"], datetime.fromisoformat(wanted.detail["until"])) == ("outage", later)


@pytest.mark.parametrize(
    "prevent",
    [
        lambda rig: setattr(rig, "connected", False),
        lambda rig: rig.desire(**{METER.replace(":", "_"): "generic-p1@1"}),
    ],
)
async def test_nothing_is_asked_for_that_could_not_be_handed_over(
    tmp_path: Path, prevent: Callable[[Kept], None]
) -> None:
    """Without a connection it stays in the meter, and so where the spec in force says no history."""
    rig = Kept(tmp_path)
    rig.history.live(METER, datetime.now(UTC))
    assert rig.history.due(METER) is not None
    prevent(rig)
    assert rig.history.due(METER) is None


async def test_a_meter_that_says_no_is_left_in_peace(tmp_path: Path) -> None:
    """Each failure is waited for longer; refusals end it, are told, and end the wish of who asked."""
    rig = Kept(tmp_path)
    rig.history.live(METER, datetime.now(UTC))
    wish = rig.history.ask(METER, datetime.now(UTC) - timedelta(days=3), datetime.now(UTC))
    assert wish is not None
    span = rig.history.due(METER)
    assert span is not None
    rig.history.failed(METER, span, FrameError("no_answer", "silence"))
    assert rig.history.due(METER) is None
    for _ in range(REFUSALS):
        assert not wish.done.is_set()
        rig.history.failed(METER, span, FrameError("meter_refused", "ER07"))
    assert "ER07" in wish.error
    assert rig.events("history_refused")[0].detail["reason"] == "meter_refused"
    assert rig.started().due(METER) is None


async def test_a_damaged_memory_is_told_and_costs_a_first_read(tmp_path: Path) -> None:
    """Where file and copy are damaged the meter counts as new; where one is, the other counts."""
    rig = Kept(tmp_path)
    rig.history.live(METER, datetime.now(UTC))
    whole = rig.started().due(METER)
    (tmp_path / "history.json").write_bytes(b"{")
    assert rig.started().due(METER) == whole
    for name in ("history.json", "history.json.copy"):
        (tmp_path / name).write_bytes(b'{"crc32":"00000000","meters":{"x":1}}')
    lost = rig.started()
    assert lost.damage
    assert lost.due(METER) is None
    lost.live(METER, datetime.now(UTC))
    assert lost.due(METER) is not None


async def test_less_is_asked_for_where_a_slice_is_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is too long at six hours is so again at six hours, and what is newer would wait for ever."""
    monkeypatch.setattr("device.history.tries.RETRY_FIRST_S", 0.0)
    rig = Kept(tmp_path)
    rig.history.live(METER, datetime.now(UTC))
    lengths = []
    for _ in range(8):
        span = rig.history.due(METER)
        assert span is not None
        lengths.append(span.until - span.since)
        rig.history.failed(METER, span, FrameError("too_long", "64 KiB"))
    assert lengths[:3] == [timedelta(hours=6), timedelta(hours=3), timedelta(hours=1, minutes=30)]
    assert lengths[-1] == timedelta(minutes=15)


async def test_a_newer_outage_goes_before_a_long_read(tmp_path: Path) -> None:
    """What people look at comes first; within a span, too, the newest does."""
    rig = Kept(tmp_path, 0)
    now_at = datetime.now(UTC)
    rig.history.live(METER, now_at - timedelta(hours=5))
    assert rig.history.ask(METER, now_at - timedelta(days=300), now_at - timedelta(days=2)) is not None
    long = await rig.read(rig.history)
    assert long is not None
    assert long.until == now_at - timedelta(days=2)
    rig.history.live(METER, now_at)
    outage = await rig.read(rig.history)
    assert outage is not None
    assert (outage.why, outage.since, outage.until) == ("outage", now_at - timedelta(hours=5), now_at)
    again = rig.history.due(METER)
    assert again is not None
    assert again.until == long.since


async def test_a_meter_that_has_nothing_older_is_not_asked_for_ten_years(tmp_path: Path) -> None:
    """A month of nothing ends it: told, the position kept, and who waits is answered by what came."""
    rig = Kept(tmp_path, 0)
    now_at = datetime.now(UTC)
    began, asked = now_at - timedelta(days=3), now_at - timedelta(days=3650)
    wish = rig.history.ask(METER, asked, now_at)
    assert wish is not None
    spans = []
    while (span := await rig.read(rig.history, began=began)) is not None:
        spans.append(span)
    assert wish.done.is_set()
    assert not wish.error
    assert wish.read in (288, 289)
    assert began - spans[-1].since < timedelta(seconds=NOTHING_OLDER_S, days=2)
    [told] = rig.events("history_read")
    assert told.detail["ended"] == "the meter has nothing older"
    assert told.detail["intervals"] == wish.read
    assert rig.started().due(METER) is None
    assert rig.history.progress(wish) == {"intervals": wish.read, "done": True}


async def test_a_read_on_command_is_cancelled_and_outages_are_not(tmp_path: Path) -> None:
    """What came stays; who waits is told; the disk knows it, too."""
    rig = Kept(tmp_path, 0)
    now_at = datetime.now(UTC)
    rig.history.live(METER, now_at - timedelta(hours=5))
    rig.history.live(METER, now_at)
    wish = rig.history.ask(METER, now_at - timedelta(days=300), now_at - timedelta(days=2))
    assert wish is not None
    await rig.read(rig.history)
    await rig.read(rig.history)
    assert rig.history.asked_for() == (METER,)
    told = rig.history.cancel(METER)
    assert told["intervals"] == wish.read > 20
    assert told["unread_h"] == pytest.approx(298 * 24 - 12, abs=0.2)
    assert "cancel_profile" in wish.error
    [event] = rig.events("history_cancelled")
    assert event.detail["intervals"] == wish.read
    assert rig.started().due(METER) is None
    rig.history.live(METER, now_at + timedelta(hours=3))
    rig.history.ask(METER, now_at - timedelta(days=300), now_at - timedelta(days=2))
    rig.history.cancel(METER)
    left = rig.started().due(METER)
    assert left is not None
    assert left.why == "outage"
    assert rig.history.asked_for() == ()


async def test_what_is_not_done_yet_says_how_far_it_is(tmp_path: Path) -> None:
    """How much came, what is left and since when back, and what keeps it waiting; it reads as no failure."""
    rig = Kept(tmp_path, 0)
    now_at = datetime.now(UTC)
    wish = rig.history.ask(METER, now_at - timedelta(days=10), now_at)
    assert wish is not None
    span = await rig.read(rig.history)
    assert span is not None
    told = rig.history.progress(wish)
    assert (told["intervals"], told["done"]) == (24, False)
    assert told["left_before"] == span.since.isoformat()
    assert told["left_h"] == pytest.approx(234, abs=0.2)
    assert "goes on by itself" in told["state"]
    assert "cancel_profile" in told["state"]
    rig.history.failed(METER, span, FrameError("no_answer", "silence after the question"))
    assert "silence after the question" in rig.history.progress(wish)["state"]
    rig.connected = False
    assert "broker" in rig.history.progress(wish)["state"]


async def test_spans_of_a_file_of_before_are_taken(tmp_path: Path) -> None:
    """An agent of before wrote no emptiness; and what is written is read again."""
    now_at = datetime.now(UTC)
    span = Span(now_at - timedelta(days=2), now_at, "command", 7, 86400.0)
    memory = HistoryMemory(tmp_path / "history.json")
    memory.put(METER, Known(now_at, (span,)))
    again = HistoryMemory(tmp_path / "history.json")
    again.load()
    assert again.get(METER) == Known(now_at, (span,))
    written = [span.since.isoformat(), span.until.isoformat(), "command", 7]
    document = {"meters": {METER: {"read_at": None, "wanted": [written]}}}
    (tmp_path / "history.json.copy").unlink()
    (tmp_path / "history.json").write_bytes(json.dumps(document).encode())
    again.load()
    assert again.get(METER) == Known(None, (replace(span, empty_s=0.0),))
