"""Storage numbers of M-Bus: rows at their own stamps, and nothing where there is none."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from meters.decoding.engine import Decoded, decode
from meters.specs.spec import Spec, load_spec
from meters.telegram import Frame, Wire
from meters.wires.encode.mbus import MbusValue, encode_mbus
from meters.wires.mbus.telegram import parse_mbus

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
ENERGY = MbusValue("04 06", 1234)
STORED = MbusValue("44 06", 1200)
OLDER = MbusValue("84 01 06", 1100)


def stamp(head: str, at: datetime) -> MbusValue:
    """A time of type F: minutes, hours, day and year, month and year."""
    year = at.year - 2000
    octets = bytes((at.minute, at.hour, at.day | (year & 7) << 5, at.month | (year & 0x78) << 1))
    return MbusValue(head, octets)


def day(head: str, year: int, month: int, number: int) -> MbusValue:
    """A date of type G."""
    return MbusValue(head, bytes((number | (year & 7) << 5, month | (year & 0x78) << 1)))


def spec(extra: str = "") -> Spec:
    """A spec of heat meters in Berlin."""
    return load_spec(
        "name: stores\nversion: 1\nproduct: {name: meter}\nmatch: {protocol: mbus}\nsource: [test]\n"
        f"time: {{source: device, zone: Europe/Berlin}}\nstandard: true\n{extra}\n",
        origin="test",
    )


def decoded(of: Spec, *values: MbusValue) -> Decoded:
    """What a reply of a heat meter says."""
    frame = Frame(Wire.MBUS, encode_mbus("12345678", values, medium=4))
    return decode(of, parse_mbus(frame), near=NOW)


def history(found: Decoded) -> list[tuple[datetime | None, dict[str, Decimal]]]:
    """What came of storages."""
    return [(sample.at, sample.values) for sample in found.samples if sample.profile]


def test_values_of_a_storage_stand_at_its_time_in_the_series_of_the_present_one() -> None:
    """Wherever the stamp stands in the telegram, oldest first; the present value is what it was."""
    month = datetime(2026, 11, 1, 0, 0, tzinfo=UTC)
    before = datetime(2026, 10, 1, 0, 0, tzinfo=UTC)
    values = (stamp("44 6d", month), STORED, ENERGY, OLDER, stamp("84 01 6d", before), MbusValue("44 13", 7000))
    found = decoded(spec(), *values)
    assert history(found) == [
        (datetime(2026, 9, 30, 22, tzinfo=UTC), {"6-0:1.0.0": Decimal(1100)}),
        (datetime(2026, 10, 31, 23, tzinfo=UTC), {"6-0:1.0.0": Decimal(1200), "6-0:2.0.0": Decimal(7)}),
    ]
    (now,) = [sample for sample in found.samples if not sample.profile]
    assert (now.at, now.values) == (None, {"6-0:1.0.0": Decimal(1234)})


@pytest.mark.parametrize(
    ("of", "at"),
    [
        ("", None),
        ("storage_day: end", datetime(2026, 10, 31, 23, tzinfo=UTC)),
        ("storage_day: start", datetime(2026, 10, 30, 23, tzinfo=UTC)),
    ],
)
def test_a_day_alone_is_a_time_where_the_spec_says_at_which_end(of: str, at: datetime | None) -> None:
    """Some makers store at the end of the due day and others at its beginning: a month's heat lies between."""
    found = history(decoded(spec(of), ENERGY, STORED, day("42 6c", 26, 10, 31)))
    assert found == ([] if at is None else [(at, {"6-0:1.0.0": Decimal(1200)})])


@pytest.mark.parametrize(
    "stamps",
    [
        [],
        [stamp("44 6d", datetime(2026, 12, 1, tzinfo=UTC))],
        [stamp("84 01 6d", datetime(2026, 11, 1, tzinfo=UTC))],
        [day("42 6c", 127, 10, 31)],
        [day("42 6c", 26, 13, 31)],
        [stamp("54 6d", datetime(2026, 11, 1, tzinfo=UTC))],
        [MbusValue("44 6d", bytes((0x80, 0, 0x41, 0x3B)))],
    ],
)
def test_without_a_stamp_nothing_is_guessed(stamps: list[MbusValue]) -> None:
    """None, one to come, another storage's, a day of every year, no date, a maximum's, one that is marked invalid."""
    found = decoded(spec("storage_day: end"), ENERGY, STORED, *stamps)
    assert history(found) == []
    assert [sample.values for sample in found.samples] == [{"6-0:1.0.0": Decimal(1234)}]


def test_storages_of_a_reply_in_two_telegrams() -> None:
    """The stamp may come with the second."""
    one = encode_mbus("12345678", [ENERGY, STORED], medium=4, more=True)
    two = encode_mbus("12345678", [stamp("44 6d", datetime(2026, 11, 1, tzinfo=UTC))], medium=4, access=2)
    telegram = parse_mbus(Frame(Wire.MBUS, one + two))
    assert [row.kept for row in telegram.profile] == ["time"]
    assert [record.value for record in telegram.profile[0].records] == [Decimal(1200000)]
