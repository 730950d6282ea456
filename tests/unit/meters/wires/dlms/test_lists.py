"""Messages and lists of every layout into records: values, scalers, units, clocks, facts; and nothing on garbage."""

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.errors import FrameError
from meters.telegram import MeterTime, Telegram
from meters.wires.dlms.axdr import read
from meters.wires.dlms.clock import read_clock
from meters.wires.dlms.telegram import telegram_of
from meters.wires.encode.dlms import (
    DlmsValue,
    array,
    clock,
    code,
    coded_list,
    described_list,
    integer,
    notification,
    object_list,
    octets,
    structure,
    visible,
)

AT = datetime(2026, 7, 19, 15, 46, 35)  # noqa: DTZ001 - a wall clock
VALUES = [DlmsValue("1-0:1.8.0", integer(9108), "Wh"), DlmsValue("1-0:32.7.0", integer(2308, 2), "V", -1)]


def of(body: bytes, at: bytes = b"", **more: bool) -> Telegram:
    """The telegram of a message with this list."""
    return telegram_of(notification(body, at, **more), None)


def values(telegram: Telegram) -> dict[str, object]:
    """Records by address."""
    return {record.address: record.value for record in telegram.records}


@pytest.mark.parametrize(
    "body", [described_list(VALUES), coded_list(VALUES), structure(described_list(VALUES)), array(coded_list(VALUES))]
)
def test_a_list_with_codes_scalers_and_units(body: bytes) -> None:
    """Entries of their own or one after another: value after the scaler, unit, width on the wire."""
    first, second = of(body).records
    assert (first.address, first.value, first.unit, first.width) == ("1-0:1.8.0", Decimal(9108), "Wh", 4)
    assert (second.value, second.unit, second.scaler, second.width) == (Decimal("230.8"), "V", -1, 2)


def test_a_list_with_codes_alone() -> None:
    """Kamstrup: the list's name in front, no unit, and none is invented."""
    plain = [DlmsValue(one.address, one.value) for one in VALUES]
    telegram = of(coded_list([DlmsValue("1-1:0.0.5", visible("5706567312345678")), *plain], visible("Kamstrup_V0001")))
    assert values(telegram)["1-0:32.7.0"] == Decimal(2308)
    assert {record.unit for record in telegram.records} == {None}
    assert telegram.facts == {"list": "Kamstrup_V0001", "manufacturer": "KAM", "serial": "5706567312345678"}


def test_a_push_object_list_names_the_values_behind_it() -> None:
    """Landis+Gyr, Iskra: names in front; the device's name tells maker and serial, and not the setup's own code."""
    named = DlmsValue("0-0:42.0.0", octets(b"LGZ1030653512345"))
    telegram = of(object_list("0-8:25.9.0", [named, *(DlmsValue(one.address, one.value) for one in VALUES)]))
    assert values(telegram) == {
        "0-0:42.0.0": b"LGZ1030653512345", "1-0:1.8.0": Decimal(9108), "1-0:32.7.0": Decimal(2308),
    }  # fmt: skip
    assert telegram.facts == {"push": "0-8:25.9.0", "manufacturer": "LGZ", "serial": "1030653512345"}


def test_a_push_object_list_with_scaler_and_unit_among_its_objects() -> None:
    """Attribute 3 of a register is its scaler and unit; attribute 1 is a name, and no reading."""

    def thing(kind: int, address: str, attribute: int) -> bytes:
        return structure(integer(kind, 2), octets(code(address)), integer(attribute, -1), integer(0, 2))

    objects = array(
        thing(40, "0-0:25.9.0", 2), thing(40, "0-0:25.9.0", 1), thing(3, "1-0:1.8.0", 2), thing(3, "1-0:1.8.0", 3)
    )
    scaled = structure(integer(1, -1), b"\x16\x1e")
    (record,) = of(structure(objects, octets(code("0-0:25.9.0")), integer(77), scaled)).records
    assert (record.address, record.value, record.unit) == ("1-0:1.8.0", Decimal(770), "Wh")


def test_values_without_codes_have_their_places() -> None:
    """`#4/5` is the fourth of five; maker, serial and product are known by their look."""
    head = [octets(b"KFM_001"), octets(b"6970631401234567"), octets(b"MA304H3E")]
    telegram = of(structure(*head, integer(4904), b"\x00"), clock(AT), tagged=True)
    assert values(telegram)["#4/5"] == Decimal(4904)
    assert values(telegram)["#5/5"] is None
    assert telegram.facts == {
        "list": "KFM_001", "manufacturer": "KFM", "serial": "6970631401234567", "product": "MA304H3E",
    }  # fmt: skip
    assert telegram.time == MeterTime(AT)


@pytest.mark.parametrize(
    ("octets_", "time"),
    [
        (clock(AT, -120, 0x80), MeterTime(AT, None, datetime(2026, 7, 19, 13, 46, 35, tzinfo=UTC))),
        (clock(AT, 60), MeterTime(AT, None, datetime(2026, 7, 19, 16, 46, 35, tzinfo=UTC))),
        (clock(AT, status=0x80), MeterTime(AT, dst=True)),
        (clock(AT, status=0x81), MeterTime(AT, dst=True)),
        (clock(AT, status=0xFF), MeterTime(AT)),
        (clock(AT, 15 * 60), MeterTime(AT)),
        (clock(AT), MeterTime(AT)),
        (b"\xff" * 12, None),
        (clock(AT)[:2] + b"\xff\xff" + clock(AT)[4:], None),
        (clock(AT)[:7] + b"\xff" + clock(AT)[8:], MeterTime(AT.replace(second=0))),
        (clock(AT)[:11], None),
        (b"\x00\x00" + clock(AT)[2:], None),
        (b"\x27\x0f\x0c\x1f\x05\x17\x3b\x3b\xff\x03\x20\x00", None),
    ],
)
def test_a_clock_by_its_deviation_or_its_season(octets_: bytes, time: MeterTime | None) -> None:
    """Where the deviation is stated it counts; a summer bit that is not set tells nothing; odd stamps are none."""
    assert read_clock(octets_) == time


def test_the_clock_in_the_list_counts_before_the_messages_own() -> None:
    """What is no time there leaves the message's."""
    later = AT.replace(second=40)
    listed = [DlmsValue("0-0:1.0.0", octets(clock(later))), *VALUES]
    assert of(described_list(listed), clock(AT)).time == MeterTime(later)
    assert of(described_list([DlmsValue("0-0:1.0.0", octets(b"\xff" * 12))]), clock(AT)).time == MeterTime(AT)


@pytest.mark.parametrize(
    ("data", "node"),
    [
        (b"\x05\xff\xff\xff\xfe", (-2, -4)), (b"\x10\x80\x00", (-32768, -2)), (b"\x14" + b"\xff" * 8, (-1, -8)),
        (b"\x15" + b"\xff" * 8, (2**64 - 1, 8)), (b"\x03\x01", (1, 1)), (b"\x16\x21", (33, 1)), (b"\x00", None),
        (b"\x17\x43\x66\x00\x00", Decimal(230)), (b"\x18\x40\x6c\xc0\x00\x00\x00\x00\x00", Decimal(230)),
        (b"\x04\x09\xff\x80", b"\xff\x80"), (b"\x0c\x02\xc3\xa4", "ä"), (b"\x0a\x82\x00\x01a", "a"),
        (b"\x19" + b"\x01" * 12, b"\x01" * 12), (b"\x02\x01\x01\x01\x11\x07", [[(7, 1)]]),
    ],
)  # fmt: skip
def test_values_of_a_xdr(data: bytes, node: object) -> None:
    """Each type, with the octets that it has on the wire."""
    assert read(data, 0) == (node, len(data))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x06\x00", b"\x09\x05ab", b"\x01\xff", b"\x02\x84\xff\xff\xff\xff", b"\x09\x85\x00", b"\x63",
        b"\x17\x00", b"\x19\x00", b"\x01\x01" * 20 + b"\x00", b"\x09\x80", b"\x13\x00",
    ],
)  # fmt: skip
def test_what_is_no_value_is_refused(data: bytes) -> None:
    """Torn values, lengths beyond the message, unknown types, lists too deep."""
    with pytest.raises(FrameError) as error:
        read(data, 0)
    assert error.value.reason == "malformed"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "unsupported"), (b"\xc4\x01\xc1\x00", "unsupported"), (b"\x0f\x00\x00\x00\x00", "malformed"),
        (b"\x0f\x00\x00\x00\x00\x00", "malformed"), (b"\x0f\x00\x00\x00\x00\x05abcde\x02\x00", "malformed"),
        (notification(structure()), "empty"), (notification(array()), "empty"), (b"\x0f\x00\x00", "malformed"),
        (b"\xdd\x00", "unsupported"), (b"\xdb\x08abc", "malformed"),
    ],
)  # fmt: skip
def test_what_is_no_pushed_list_is_refused(message: bytes, reason: str) -> None:
    """By a word, and what it is where that is known."""
    with pytest.raises(FrameError) as error:
        telegram_of(message, None)
    assert error.value.reason == reason


def test_a_list_that_announces_more_than_it_has_gives_what_is_there() -> None:
    """Some Iskra say twelve, send eight and a piece: its frame's check vouches for them."""
    whole = structure(*(integer(n) for n in range(12)))
    telegram = of(whole[: 2 + 8 * 5 + 2])
    assert [record.address for record in telegram.records] == [f"#{n}/12" for n in range(1, 9)]


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_no_octets_are_too_odd(data: bytes) -> None:
    """Whatever a message holds, it gives a telegram or a named failure."""
    for message in (data, b"\x0f\x00\x00\x00\x00\x00" + data, b"\x0f\x00\x00\x00\x00\x00\x02\x10" + data):
        with suppress(FrameError):
            assert telegram_of(message, None).records
