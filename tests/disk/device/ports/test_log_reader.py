"""A simulated meter's event log read over its pty: in programming mode, and by DLMS."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from broker.errors import FrameError
from device.line_settings import LineSettings
from device.ports.detection import SIGN_ON
from device.ports.dlms_log import DlmsLogReader
from device.ports.dlms_station import DlmsStation, Secrets
from device.ports.line import Line
from device.ports.log_reader import ReadLog, log_reader
from device.simulator import Fault, SimulatedIecMeter, SimulatedPolledDlmsMeter
from device.simulator.log_book import LogBook, Logged
from meters.decoding.event_log import log_entries
from meters.specs.spec import Spec, load_spec
from meters.wires.dlms.client.station import Station

NOW = datetime(2026, 11, 23, 12, 7, tzinfo=UTC)
SECOND = int(NOW.timestamp())
EMH = r"EMH5\@01LZQJL0014F"
OFF = (SECOND - 7200, SECOND - 3600)


def spec(section: str, protocol: str = "iec62056-21") -> Spec:
    """A spec of a meter with an event log."""
    return load_spec(
        f"name: logs\nversion: 1\nproduct: {{name: meter}}\nmatch: {{protocol: {protocol}}}\nsource: [test]\n"
        f"time: {{zone: Europe/Berlin}}\nstandard: true\nevent_log: {{{section}}}\n",
        origin="test",
    )


def told(of: Spec, found: tuple[ReadLog, ...] | FrameError) -> list[tuple[int, str, str]]:
    """Seconds before NOW, code and meaning."""
    assert not isinstance(found, FrameError), found
    assert of.event_log is not None
    entries = [entry for log in found for entry in log_entries(log.rows, of.event_log, "Europe/Berlin")]
    return [(SECOND - int(one.at.timestamp()), one.code, one.meaning) for one in entries]


async def test_p_98_in_programming_mode_by_status_words_and_by_codes() -> None:
    """In one block and in partial ones, behind a password or not, with a wrong check in between."""
    clock = Logged(SECOND - 1800, 0x20, 5, (("0.9.1", "0125703"), ("0.9.2", "0261123")))
    plain, coded = spec("method: p.98"), spec("command: R6, password_ref: door, table: idis")
    async with (
        SimulatedIecMeter(
            serial="12345678", identification=EMH, started_at=SECOND, log=LogBook([OFF], [clock])
        ) as open_,
        SimulatedIecMeter(
            serial="12345679", identification=EMH, started_at=SECOND, password="1234",
            log=LogBook([OFF], [clock], coded=True),
        ) as locked,
    ):  # fmt: skip
        open_.inject(Fault.WRONG_CRC)
        for meter, of, wanted in (
            (open_, plain, [("00000080", "power_failure"), ("00000040", "power_back"), ("00000020", "clock_set")]),
            (locked, coded, [("1", "power_down"), ("2", "power_up"), ("5", "clock_adjusted_new")]),
        ):
            reader = log_reader(of, address="", zone="", slow=(), passwords={"door": SecretStr("1234")})
            assert not isinstance(reader, FrameError)
            line = await Line.open(meter.port, SIGN_ON)
            try:
                found = told(of, await reader.read(line, NOW - timedelta(days=1), NOW))
                assert found == [(ago, *each) for ago, each in zip((7200, 3600, 1800), wanted, strict=True)]
                late = told(of, await reader.read(line, NOW - timedelta(minutes=45), NOW))
                assert [ago for ago, *_ in late] == [1800]
                assert told(of, await reader.read(line, NOW - timedelta(minutes=5), NOW)) == []
            finally:
                await line.close()


async def test_without_its_password_a_log_is_not_asked_for() -> None:
    """The refusal says what is wanted, and shows nothing."""
    refusal = log_reader(spec("password_ref: door"), address="", zone="", slow=(), passwords={})
    assert isinstance(refusal, FrameError)
    assert "WATTLINE_DEVICE_PASSWORDS" in refusal.detail


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_profile_generic_without_a_period(*, ranges: bool) -> None:
    """By range, else the newest by entry; a log that the meter does not have is left out, all of them are a refusal."""
    of = spec("method: profile_generic, table: idis, logs: ['0-0:99.98.0', '0-0:99.98.1']", "dlms")
    none = spec("method: profile_generic, logs: ['0-0:99.98.1']", "dlms")
    opened = Logged(SECOND - 60, code=40)
    meter = SimulatedPolledDlmsMeter(serial="71823456", started_at=SECOND, ranges=ranges, log=LogBook([OFF], [opened]))
    async with meter as one:
        line = await Line.open(one.port, LineSettings(9600))
        try:
            readers = [
                DlmsLogReader(DlmsStation(Station()), each, Secrets({}), lambda: NOW, "", optical=False, newest=500)
                for each in (of, none)
            ]
            found = await readers[0].read(line, NOW - timedelta(minutes=90), NOW + timedelta(minutes=5))
            entries = told(of, found)
            assert entries[-2:] == [(3600, "2", "power_up"), (60, "40", "terminal_cover_removed")]
            assert len(entries) == (2 if ranges else 3)
            refused = await readers[1].read(line, NOW - timedelta(minutes=90), NOW)
        finally:
            await line.close()
    assert isinstance(refused, FrameError)
    assert refused.reason == "meter_refused"
    assert {request[0] for request in one.requests} == {0xC0}
