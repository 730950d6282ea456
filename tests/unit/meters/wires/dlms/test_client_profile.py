"""Load profiles that the DLMS client reads: by range, by entry, over changes of the clock, with holes and status."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from broker.errors import FrameError
from device.simulator.dlms import SimulatedPolledDlmsMeter
from device.simulator.log_book import LogBook
from meters.decoding.profile import interval_ends
from meters.specs.sections import History
from meters.telegram import Frame, ProfileRow
from meters.wires.dlms.client.association import Agreed
from meters.wires.dlms.client.event_log import event_log
from meters.wires.dlms.client.hdlc_link import HdlcLink
from meters.wires.dlms.client.profile import profile
from meters.wires.dlms.client.profile_limits import clock_octets
from meters.wires.dlms.client.services import Refused
from meters.wires.dlms.client.session import DlmsSession
from meters.wires.dlms.client.station import Access, Station
from meters.wires.dlms.profile_rows import profile_rows
from meters.wires.encode.dlms import clock, code, integer, octets
from meters.wires.readers import parse
from tests.rigs.dlms_visit import Visit

BERLIN = ZoneInfo("Europe/Berlin")


def meter(at: datetime, **options: Any) -> SimulatedPolledDlmsMeter:
    """A meter without a line, its clock at a time."""
    return SimulatedPolledDlmsMeter(serial="12345678", started_at=at.timestamp(), wall=lambda: 0.0, **options)


def rows(polled: SimulatedPolledDlmsMeter, since: datetime, until: datetime) -> tuple[ProfileRow, ...] | FrameError:
    """The rows of a range."""
    session = DlmsSession(HdlcLink(Station()), Access(), lambda agreed: profile(agreed, since, until, BERLIN))
    found = Visit(polled.hdlc.feed).run(session)
    return parse(found).profile if isinstance(found, Frame) else found


@pytest.mark.parametrize(
    "until",
    [
        datetime(2026, 11, 29, 12, 0, tzinfo=UTC),
        datetime(2026, 10, 25, 3, 0, tzinfo=UTC),
        datetime(2026, 3, 29, 3, 0, tzinfo=UTC),
    ],
)
@pytest.mark.parametrize("message_bytes", [64, 60_000])
def test_a_range_has_each_interval_once_with_its_end(until: datetime, message_bytes: int) -> None:
    """Also over both changes of the clock: each quarter of an hour in true time, registers in Wh by their scaler."""
    since = until - timedelta(hours=4)
    polled = meter(until + timedelta(minutes=7), message_bytes=message_bytes)
    found = rows(polled, since, until)
    assert not isinstance(found, FrameError)
    assert [row.at.at for row in found] == [since + timedelta(minutes=15 * n) for n in range(17)]
    assert {row.status for row in found} == {"00"}
    household = polled.registers.household
    for before, after in pairwise(found):
        end = int(after.at.at.timestamp()) if after.at.at else 0
        drawn = sum(household.power_w(second) for second in range(end - 900, end)) / 3600
        (imported, _), (earlier, _) = after.records, before.records
        assert (imported.address, imported.unit, imported.scaler) == ("1-0:1.8.0", "Wh", 1)
        assert isinstance(imported.value, Decimal)
        assert isinstance(earlier.value, Decimal)
        assert abs(float(imported.value - earlier.value) - drawn) <= 10


def test_a_failure_of_power_is_a_hole_with_its_status_on_both_sides() -> None:
    """What was not measured is not there: power down before it, power up behind it."""
    until = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
    second = int(until.timestamp())
    found = rows(meter(until, failures=((second - 5400, second - 3600),)), until - timedelta(hours=2), until)
    assert not isinstance(found, FrameError)
    assert [row.status for row in found] == ["00", "00", "80", "40", "00", "00", "00"]
    assert [(until - row.at.at).seconds // 900 for row in found if row.at.at] == [8, 7, 6, 3, 2, 1, 0]


def test_a_meter_that_refuses_ranges_is_asked_by_entry() -> None:
    """The newest rows that reach back far enough; one that gives neither says so."""
    until = datetime(2026, 11, 29, 12, 7, tzinfo=UTC)
    found = rows(meter(until, ranges=False), until - timedelta(hours=2), until)
    assert not isinstance(found, FrameError)
    ends = [row.at.at for row in found]
    assert ends[-1] == datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
    assert ends[0] is not None
    assert until - timedelta(hours=2, minutes=30) < ends[0] <= until - timedelta(hours=2)
    polled = meter(until)
    polled.server._objects = {  # type: ignore[assignment]
        key: (lambda *_: Refused(3)) if key[0] == 7 else value for key, value in polled.server._objects.items()
    }
    refused = rows(polled, until - timedelta(hours=2), until)
    assert isinstance(refused, FrameError)
    assert refused.reason == "meter_refused"
    assert "1-0:99.1.0 attribute 3: read-write denied" in refused.detail


@pytest.mark.parametrize("hours_off", [0, 2])
@pytest.mark.parametrize("offset", [True, False])
def test_by_entry_a_span_is_bound_at_both_ends(hours_off: int, offset: bool) -> None:
    """Of a span of hours ago neither older rows nor all the newer ones come, also where power was off since."""
    now = datetime(2026, 11, 29, 12, 7, tzinfo=UTC)
    off = int((now - timedelta(hours=4)).timestamp()), int((now - timedelta(hours=4 - hours_off)).timestamp())
    polled = meter(now, ranges=False, offset=offset, failures=(off,))
    since, until = now - timedelta(hours=7), now - timedelta(hours=5)
    found = rows(polled, since, until)
    assert not isinstance(found, FrameError)
    ends = [row.at.at or row.at.local.replace(tzinfo=BERLIN).astimezone(UTC) for row in found]
    wanted = [datetime(2026, 11, 29, 5, 15, tzinfo=UTC) + timedelta(minutes=15) * n for n in range(8)]
    assert [end for end in ends if since < end <= until] == wanted
    assert len(found) <= 8 + (1 if offset else 9)
    of_profile = b"\x00\x07" + code("1-0:99.1.0")
    asked = [request for request in polled.requests if request[3:11] == of_profile]
    assert len(asked) <= 12


@pytest.mark.parametrize("ranges", [True, False])
def test_no_quarter_of_the_hour_that_occurs_twice_is_lost(ranges: bool) -> None:
    """A clock that states no offset shows October's hour twice: each range has its intervals, at their true times."""
    night = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    polled = meter(night + timedelta(hours=4), offset=False, ranges=ranges)
    of = History(method="profile_generic", zone="Europe/Berlin")
    for start_h, long_h in ((-1, 0.75), (-0.5, 2.5), (0, 0.5), (0, 1.75), (0.5, 0.75), (1, 1), (1.5, 1), (2, 0.5)):
        since = night + timedelta(hours=start_h, minutes=1)
        until = since + timedelta(hours=long_h)
        found = rows(polled, since, until)
        assert not isinstance(found, FrameError)
        stamped = dict(zip(interval_ends(found, of, None, since), found, strict=True))
        ends = [int(at.timestamp()) for at in stamped if at is not None and since < at <= until]
        first = int(since.timestamp()) // 900 * 900 + 900
        assert ends == list(range(first, int(until.timestamp()) + 1, 900)), (start_h, long_h)
        kept = {row.end: row.import_ws // 36_000 * 10 for row in polled.intervals.rows(first, ends[-1], ends[-1])}
        assert {end: stamped[datetime.fromtimestamp(end, UTC)].records[0].value for end in ends} == kept


def test_nothing_in_a_range_is_no_fault() -> None:
    """Before the meter's memory begins there are no rows, and that is an answer."""
    until = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
    assert rows(meter(until), until - timedelta(days=400), until - timedelta(days=399)) == ()


def test_a_range_is_asked_in_the_meters_own_time() -> None:
    """With the deviation where the meter states one, as plain wall-clock time where it leaves it open."""
    at = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
    stated = octets(clock(datetime(2026, 1, 1, 0, 0), -60))  # noqa: DTZ001 - wall clock
    silent = octets(clock(datetime(2026, 1, 1, 0, 0)))  # noqa: DTZ001
    assert clock_octets(at, BERLIN, stated).hex() == "07ea0701030c0000ffff8880"
    assert clock_octets(at, BERLIN, silent).hex() == "07ea0701030c0000ff800080"
    assert clock_octets(at, BERLIN, Refused(3)).hex() == "07ea0701030c0000ff800080"


COLUMNS = [
    [(8, 2), code("0-0:1.0.0"), (2, -1), (0, 2)],
    [(1, 2), code("0-0:96.10.1"), (2, -1), (0, 2)],
    [(3, 2), code("1-0:1.8.0"), (2, -1), (0, 2)],
    [(5, 2), code("1-0:1.4.0"), (3, -1), (0, 2)],
    [(4, 2), code("1-0:1.6.0"), (5, -1), (0, 2)],
]


def test_rows_that_leave_clock_and_values_out() -> None:
    """A null stands one period after the row before, or for the same value again; odd rows give nothing."""
    first = clock(datetime(2026, 11, 29, 12, 0), -60)  # noqa: DTZ001 - wall clock
    buffer: Any = [
        [None, (0, 1), (1, 4), (2, 4), None],
        [first, (0, 1), (100, 4), (5, 4), None],
        [None, None, (110, 4), None, None],
        [(1, 4)],
        "no row",
        [None, (0x0102, 2), Decimal("12.5"), b"x", None],
    ]
    scalers = {code("1-0:1.8.0"): (1, "Wh"), code("1-0:1.4.0"): (0, "W")}
    columns: Any = COLUMNS
    found = profile_rows(columns, (900, 4), buffer, scalers)
    assert [row.at.at for row in found] == [datetime(2026, 11, 29, 11, minute, tzinfo=UTC) for minute in (0, 15, 30)]
    assert [row.status for row in found] == ["00", "00", "0102"]
    assert [[(r.address, r.value, r.unit) for r in row.records] for row in found] == [
        [("1-0:1.8.0", Decimal(1000), "Wh"), ("1-0:1.4.0", Decimal(5), "W")],
        [("1-0:1.8.0", Decimal(1100), "Wh"), ("1-0:1.4.0", Decimal(5), "W")],
        [("1-0:1.8.0", Decimal(125), "Wh")],
    ]
    assert profile_rows(columns, (0, 4), buffer[2:], scalers) == ()
    assert profile_rows("x", (900, 4), buffer, scalers) == ()


def test_columns_that_say_nothing_are_told() -> None:
    """A profile without columns, or with ones that are no objects, is a fault of the meter's."""
    at = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
    for columns in (b"\x01\x00", b"\x01\x01\x02\x02\x11\x01\x11\x02", b"\x11\x05"):
        reading = profile(Agreed(), at, at, BERLIN)
        next(reading)
        answers = [*[b"\xc4\x01\xc1\x01\x04"] * 3, b"\xc4\x01\xc1\x00" + columns]
        for answer in answers:
            reading.send(answer)
        with pytest.raises(FrameError, match="column"):
            reading.send(b"\xc4\x01\xc1\x01\x04")


@pytest.mark.parametrize("read", [profile, event_log])
def test_a_count_of_rows_that_no_request_can_hold_ends_the_visit(read: Callable[..., Any]) -> None:
    """A meter's nonsense is an error of this visit, whatever number it says; it must not end the port's task."""
    until = datetime(2026, 11, 29, 12, 7, tzinfo=UTC)
    since = until - timedelta(hours=2)
    for count in (2**32, 2**64 - 1):
        polled = meter(until, ranges=False, log=LogBook([]))
        name = "1-0:99.1.0" if read is profile else "0-0:99.98.0"
        key = (7, code(name))
        real = polled.server._objects[key]
        polled.server._objects = polled.server._objects | {  # type: ignore[assignment]
            key: lambda index, *more, real=real, count=count: integer(count, 8) if index == 7 else real(index, *more)
        }
        session = DlmsSession(
            HdlcLink(Station()), Access(), lambda agreed, of=name: read(agreed, since, until, BERLIN, of)
        )
        found = Visit(polled.hdlc.feed).run(session)
        assert isinstance(found, FrameError)
        assert found.reason == "malformed"
