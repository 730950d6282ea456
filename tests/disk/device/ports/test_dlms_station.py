"""The agent's DLMS client at a simulated meter's pty and at its server: associations, an optical head, profiles."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import SecretStr

from broker.errors import FrameError
from device.line_settings import LineSettings
from device.ports.dlms_station import DlmsStation, Secrets, access_of
from device.ports.line import Line
from device.simulator import Fault, SimulatedPolledDlmsMeter
from meters.specs.spec import Spec, load_spec
from meters.telegram import Frame
from meters.wires.dlms.client.station import Access, Authentication, Station
from meters.wires.meter_key import KeyNeededError, MeterKey
from meters.wires.readers import parse

ENCRYPTION, AUTHENTICATION = "000102030405060708090a0b0c0d0e0f", "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
KEY = MeterKey.parse(ENCRYPTION, AUTHENTICATION)
CLIENTS = {
    16: Access(),
    1: Access(Authentication.LLS, password=b"12345678"),
    2: Access(Authentication.HLS5, key=KEY, title=b"METER\x00\x00\x01"),
}
SECRETS = Secrets({"lls": SecretStr("12345678")}, KEY)


def spec(client: int, authentication: str) -> Spec:
    """A spec that asks so."""
    return load_spec(
        "name: asked\nversion: 1\nproduct: {name: meter}\nmatch: {protocol: dlms}\nsource: [test]\nstandard: true\n"
        f"link: {{mode: poll, dlms: {{client: {client}, authentication: {authentication}}}}}\n"
        f"decode: {{key_ref: {authentication}}}\n",
        origin="test",
    )


def meter(**options: object) -> SimulatedPolledDlmsMeter:
    """A meter for all three clients."""
    return SimulatedPolledDlmsMeter(serial="71823456", clients=CLIENTS, **options)  # type: ignore[arg-type]


async def read(
    path: str, of: Spec | None = None, *, optical: bool = False, station: DlmsStation | None = None, times: int = 1
) -> Frame | FrameError:
    """What the last of some readings gives."""
    line = await Line.open(path, LineSettings(9600))
    own = station or DlmsStation(Station(), over_tcp=path.startswith("dlms+tcp"))
    try:
        for _ in range(times):
            found = await own.read(line, of, SECRETS, datetime.now(UTC), optical=optical)
        return found
    finally:
        await line.close()


def imported(found: Frame | FrameError) -> object:
    """The import register."""
    assert isinstance(found, Frame), found
    return next(one.value for one in parse(found).records if one.address == "1-0:1.8.0")


async def test_each_association_reads_the_same_over_a_line_and_over_tcp() -> None:
    """Public, by password and by keys; visits follow one another with ever higher frame counters."""
    specs = (None, spec(1, "lls"), spec(2, "hls5"))
    async with meter() as one, one.over_tcp() as url:
        for path in (one.port, url):
            for of in specs:
                value = imported(await read(path, of, times=2))
                assert isinstance(value, Decimal)
                assert abs(int(value) - one.registers.import_wh) < 20
        assert {request[0] for request in one.requests} == {0xC0, 0xC3}


async def test_a_line_that_goes_wrong_heals_and_a_wrong_secret_is_told() -> None:
    """A damaged frame is asked for again; the meter's refusal is given as it is."""
    async with meter() as one:
        one.inject(Fault.WRONG_CRC)
        assert imported(await read(one.port))
        wrong = Secrets({"lls": SecretStr("87654321")})
        line = await Line.open(one.port, LineSettings(9600))
        refused = await DlmsStation(Station()).read(line, spec(1, "lls"), wrong, datetime.now(UTC), optical=False)
        await line.close()
    assert isinstance(refused, FrameError)
    assert (refused.reason, "authentication failed" in refused.detail) == ("meter_refused", True)


async def test_an_optical_head_is_read_in_mode_e() -> None:
    """At 300 baud first, then over HDLC at the meter's rate."""
    async with meter(optical=True) as one:
        assert imported(await read(one.port, optical=True))
        assert one.line.baud == 9600


async def test_a_clock_that_ran_ahead_uses_no_frame_counters_up() -> None:
    """In the far future there is none left, and that is told; with the right time again the meter is read."""
    async with meter() as one, one.over_tcp() as url:
        line = await Line.open(url, LineSettings(9600))
        station = DlmsStation(Station(), over_tcp=True)
        try:
            ahead = await station.read(line, spec(2, "hls5"), SECRETS, datetime(2090, 1, 1, tzinfo=UTC), optical=False)
            assert isinstance(ahead, FrameError)
            assert ahead.reason == "counter_spent"
            now_at = datetime.now(UTC)
            assert imported(await station.read(line, spec(2, "hls5"), SECRETS, now_at, optical=False))
        finally:
            await line.close()


@pytest.mark.parametrize("secret", [None, "secret in words", ENCRYPTION, "0102/0304"])
def test_a_secret_that_is_missing_or_none_is_told_and_not_shown(secret: str | None) -> None:
    """The event names what is wanted; nothing is asked of the meter without it."""
    known = {} if secret is None else {"hls5": SecretStr(secret)}
    with pytest.raises(KeyNeededError) as told:
        access_of(spec(2, "hls5"), Secrets(known), 1)
    assert "or secret hls5 in WATTLINE_DEVICE_DLMS_SECRETS" in told.value.detail
    assert secret is None or secret not in told.value.detail


def test_a_password_of_the_platform_goes_before_the_setting_s() -> None:
    """It is newer than what somebody wrote on the Pi's card, and no trace of it is shown."""
    given = Secrets({"lls": SecretStr("12345678")}, password="87654321")
    assert access_of(spec(1, "lls"), given, 1).password == b"87654321"
    assert "87654321" not in repr(given)
