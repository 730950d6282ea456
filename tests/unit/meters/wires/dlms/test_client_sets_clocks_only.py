"""The DLMS client writes nothing to a meter but its clock, and that by one door alone."""

import ast
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from broker.errors import FrameError
from device.simulator.dlms import SimulatedPolledDlmsMeter
from meters.telegram import Frame
from meters.wires.dlms.client.association import SET_RIGHT, Agreed
from meters.wires.dlms.client.clock_set import SET, ClockSet
from meters.wires.dlms.client.hdlc_link import HdlcLink
from meters.wires.dlms.client.profile import profile
from meters.wires.dlms.client.reading import KnownMeter, snapshot
from meters.wires.dlms.client.session import DlmsSession, Plan
from meters.wires.dlms.client.station import Access, Authentication, Station
from meters.wires.meter_key import MeterKey
from meters.wires.readers import parse
from tests.rigs.dlms_visit import CHALLENGE, Visit

Asking = Generator[bytes, bytes, Frame]
ROOT = Path(__file__).resolve().parents[5]
ROOMS = ("broker", "cli", "device", "gateway", "ingestor", "intake", "meters", "store", "grafana", "deploy")
AT = 1_764_450_000
NOW = datetime.fromtimestamp(AT, UTC)
BERLIN = ZoneInfo("Europe/Berlin")
KEY = MeterKey(bytes(16), bytes(range(16)))
READING = {
    16: Access(),
    1: Access(Authentication.LLS, password=b"12345678"),
    2: Access(Authentication.HLS5, key=KEY, title=b"WTL\x00\x00\x00\x00\x01", counter=7),
}
SETTING = {
    client: Access(one.authentication, one.password, one.key, one.title, one.counter, sets=True)
    for client, one in READING.items()
}


def meter(**options: object) -> SimulatedPolledDlmsMeter:
    """A meter without a line, which lets its clock be set."""
    return SimulatedPolledDlmsMeter(
        serial="12345678", clients=READING, started_at=AT, wall=lambda: 0.0, **options  # type: ignore[arg-type]
    )  # fmt: skip


def visit(one: SimulatedPolledDlmsMeter, client: int, access: Access, plan: Plan) -> tuple[Visit, Frame | FrameError]:
    """A visit over HDLC as one client."""
    there = Visit(one.hdlc.feed)
    return there, there.run(DlmsSession(HdlcLink(Station(client)), access, plan, challenge=CHALLENGE))


def setting(zone: ZoneInfo | None = BERLIN, *, despite_zone: bool = False) -> ClockSet:
    """The right time is NOW."""
    return ClockSet(lambda: NOW, zone, despite_zone)


def written(one: SimulatedPolledDlmsMeter) -> bytes:
    """The twelve octets of the one time that was set."""
    (request,) = [request for request in one.requests if request[0] == SET]
    return request[-12:]


@pytest.mark.parametrize("client", READING)
@pytest.mark.parametrize("off_s", [-7200, -90, 3600, 86400 * 400])
def test_a_clock_is_set_and_before_and_after_are_told(client: int, off_s: int) -> None:
    """By each association, with the deviation that the meter states; nothing else is set."""
    one, work = meter(clock_off_s=off_s), setting(despite_zone=True)
    _, found = visit(one, client, SETTING[client], work.plan)
    assert isinstance(found, Frame), found
    assert work.before == NOW + timedelta(seconds=off_s)
    assert work.after == NOW
    assert (work.off_s, work.left_s) == (off_s + 0.5, 0.5)
    assert one.clock_off_s == 0
    sets = [request for request in one.requests if request[0] == SET]
    assert [request[3:12] for request in sets] == [b"\x00\x08" + bytes((0, 0, 1, 0, 0, 255)) + b"\x02"]
    assert parse(found).time is not None or parse(found).records


def test_a_clock_whose_zone_nobody_knows_is_not_set() -> None:
    """Without its own deviation from UTC, a zone's word is wanted."""
    one, work = meter(clock_off_s=240, offset=False), setting(None)
    _, found = visit(one, 16, SETTING[16], work.plan)
    assert isinstance(found, FrameError)
    assert (found.reason, "time_zone" in found.detail, one.clock_off_s) == ("zone_unknown", True, 240)
    one, work = meter(clock_off_s=240, offset=False), setting(BERLIN)
    _, found = visit(one, 16, SETTING[16], work.plan)
    assert isinstance(found, Frame), found
    assert one.clock_off_s == 0


@pytest.mark.parametrize("zone", [None, ZoneInfo("Asia/Tokyo"), ZoneInfo("UTC"), BERLIN])
def test_a_clock_that_states_its_deviation_keeps_it(zone: ZoneInfo | None) -> None:
    """Whatever zone is stated for it, or none: 22:00 in Berlin's winter is written as such, deviation -60."""
    one, work = meter(clock_off_s=240), setting(zone)
    _, found = visit(one, 16, SETTING[16], work.plan)
    assert isinstance(found, Frame), found
    assert (one.clock_off_s, work.left_s) == (0, 0.5)
    assert written(one)[5:7] == bytes((NOW.astimezone(BERLIN).hour, NOW.minute))
    assert int.from_bytes(written(one)[9:11], signed=True) == -60


@pytest.mark.parametrize("extra_s", [-119, 0, 119])
def test_a_clock_that_is_whole_hours_off_is_set_only_despite_its_zone(extra_s: int) -> None:
    """A clock in Berlin, told to be in UTC: it is right, and would be set wrong."""
    one, work = meter(clock_off_s=extra_s, offset=False), setting(ZoneInfo("UTC"))
    _, found = visit(one, 16, SETTING[16], work.plan)
    assert isinstance(found, FrameError)
    assert (found.reason, "despite_zone" in found.detail, one.clock_off_s) == ("zone_doubted", True, extra_s)
    assert not [request for request in one.requests if request[0] == SET]
    one, work = meter(clock_off_s=extra_s + 7200), setting(despite_zone=True)
    _, found = visit(one, 16, SETTING[16], work.plan)
    assert isinstance(found, Frame), found
    assert one.clock_off_s == 0


@pytest.mark.parametrize("client", READING)
def test_reading_asks_for_no_right_to_set_and_sets_nothing(client: int) -> None:
    """Values and profile: GET, and the proof of HLS 5, to a meter that would let itself be set."""
    one = meter()
    reads = partial(profile, start_at=NOW - timedelta(hours=1), end_at=NOW, zone=BERLIN, name="1-0:99.1.0")
    for plan in (partial(snapshot, KnownMeter()), reads):
        granted: list[int] = []

        def noting(agreed: Agreed, plan: Plan = plan, granted: list[int] = granted) -> Asking:
            granted.append(agreed.conformance)
            return plan(agreed)

        _, found = visit(one, client, READING[client], noting)
        assert isinstance(found, Frame), found
        assert not granted[0] & SET_RIGHT
    assert {request[0] for request in one.requests} <= {0xC0, 0xC3}


def test_a_meter_that_grants_no_set_or_takes_no_time_is_told() -> None:
    """The refusal is the meter's own; its clock stays as it was."""
    one, work = meter(clock_off_s=60, settable=False), setting()
    _, found = visit(one, 16, SETTING[16], work.plan)
    assert isinstance(found, FrameError)
    assert (found.reason, "no SET" in found.detail, one.clock_off_s) == ("meter_refused", True, 60)
    assert not [request for request in one.requests if request[0] == SET]


def test_a_client_without_the_right_is_refused_by_the_meter() -> None:
    """A plan that sets all the same, in an association for reading."""
    one = meter(clock_off_s=60)

    def writes(_: Agreed) -> Asking:
        answer = yield bytes((SET, 1, 0xC1, 0, 8, 0, 0, 1, 0, 0, 255, 2, 0, 9, 12)) + bytes(12)
        raise FrameError("seen", answer.hex())

    _, found = visit(one, 16, READING[16], writes)
    assert isinstance(found, FrameError)
    assert (found.detail, one.clock_off_s) == ("d80101", 60)


def test_one_module_alone_asks_for_the_right_and_one_alone_uses_it() -> None:
    """Who else would set something shows up here."""
    importing, asking = set(), set()
    for path in (file for room in ROOMS for file in (ROOT / room).rglob("*.py")):
        text = path.read_text("utf-8")
        # neither can be written without one of these words; few files have any
        for node in ast.walk(ast.parse(text if "clock_set" in text or "sets" in text else "")):
            if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("client.clock_set"):
                importing.add(path.relative_to(ROOT).as_posix())
            if isinstance(node, ast.keyword) and node.arg == "sets" and not _is_passed_on(node.value):
                asking.add(path.relative_to(ROOT).as_posix())
    assert importing == {"device/ports/clock_setting.py", "device/simulator/dlms/cosem_server.py"}
    assert asking == {"device/ports/clock_setting.py"}


def _is_passed_on(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id == "sets"
