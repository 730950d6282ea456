"""Who speaks on a port: facts over telegrams, keys, swaps and sub-meters."""

from decimal import Decimal

import pytest

from meters.specs.identify import MAX_ADDRESSES, Identifier, meter_key, sub_meters
from meters.telegram import Frame, Record, Telegram, Wire
from meters.wires.encode import SmlValue, encode_iec62056, encode_p1, encode_sml
from meters.wires.readers import AnyFramer, parse
from meters.wires.sml import server_text


def telegram(data: bytes) -> Telegram:
    """The one telegram in the bytes."""
    (event,) = AnyFramer().feed(data)
    assert isinstance(event, Frame)
    return parse(event)


def p1(serial: str, header: str = r"/ISK5\2M550T-1012") -> Telegram:
    """A P1 telegram with an equipment id."""
    return telegram(encode_p1(header, ["1-3:0.2.8(50)", f"0-0:96.1.1({serial})", "1-0:1.8.1(000001.000*kWh)"]))


def test_facts_accumulate() -> None:
    """A telegram without identity adds addresses to a meter known from an earlier one, and takes nothing away."""
    identifier = Identifier()
    first = identifier.add(p1("4530303434"))
    assert (first.key, first.product, first.manufacturer) == ("ISK:E0044", "M550T-1012", "ISK")
    short = Telegram(Wire.P1, (Record("1-0:1.7.0", Decimal(1), "kW"),))
    second = identifier.add(short)
    assert second.key == "ISK:E0044"
    assert second.addresses == ("1-3:0.2.8", "0-0:96.1.1", "1-0:1.8.1", "1-0:1.7.0")


def test_a_swap_is_another_key() -> None:
    """Another serial on the same port is another meter, and what was known of the old one is gone."""
    identifier = Identifier()
    identifier.add(p1("4530303434"))
    other = identifier.add(p1("4530303435", header="/KFM5KAIFA-METER"))
    assert other.key == "KFM:E0045"
    assert other.facts["identification"] == "KFM5KAIFA-METER"


def test_a_new_protocol_is_another_meter() -> None:
    """A meter of another protocol on the port starts anew."""
    identifier = Identifier()
    identifier.add(p1("4530303434"))
    sml = telegram(encode_sml(bytes.fromhex("0a01445a47000282225e"), [SmlValue("1-0:1.8.0", Decimal(1), "Wh")]))
    found = identifier.add(sml)
    assert found.key == "DZG:1DZG0042082910"
    assert found.serial == "1 DZG00 4208 2910"
    assert "identification" not in found.facts


def test_addresses_are_bounded() -> None:
    """A hostile line cannot grow an identity without end."""
    identifier = Identifier()
    for start in range(0, 2000, 100):
        records = tuple(Record(f"1-0:{n}", None) for n in range(start, start + 100))
        identity = identifier.add(Telegram(Wire.P1, records))
    assert len(identity.addresses) == MAX_ADDRESSES


def test_a_mere_number_is_no_product() -> None:
    """An identification line may carry a serial only; a serial in a data set goes before it."""
    plain = telegram(encode_iec62056(["1.8.0(1.0*kWh)"], identification=r"MCS5\@0050010067967"))
    assert plain.facts == {
        "identification": r"MCS5\@0050010067967",
        "manufacturer": "MCS",
        "serial": "0050010067967",
    }
    both = telegram(encode_iec62056(["0.0.0(10067967)"], identification=r"MCS5\@0050010067967"))
    assert both.facts["serial"] == "10067967"


def test_an_error_message_is_no_serial() -> None:
    """Iskraemeco writes ER23 where an object can't be read: all meters of a type would have one key."""
    lines = ["0-0:42.0.0(ISK1030712345678)", "0-0:96.1.0(ER23)", "0-1:96.1.1(ER23)", "0-1:24.2.1(240405154953)(1*m3)"]
    heard = telegram(encode_p1("ISk9\\2MIE7T-200", lines))
    assert Identifier().add(heard).key == "ISK:ISK1030712345678"
    assert [sub.serial for sub in sub_meters(heard)] == [""]


def test_sub_meters() -> None:
    """Channels, decoded ids and device types of the meters behind a P1 port, also of one that has no value yet."""
    lines = [
        "1-3:0.2.8(50)",
        "0-1:24.1.0(003)",
        "0-1:96.1.0(3232323241424344)",
        "0-1:24.2.1(170102161005W)(00000.107*m3)",
        "0-2:24.1.0(007)",
        "0-2:96.1.1(3853414731323334)",
        "0-3:24.1.0(003)",
        "0-3:96.1.0()",
    ]
    found = sub_meters(telegram(encode_p1("/ISK5X", lines)))
    assert [(meter.channel, meter.serial, meter.device_type) for meter in found] == [
        (1, "2222ABCD", "3"),
        (2, "8SAG1234", "7"),
        (3, "", "3"),
    ]
    assert found[0].addresses == ("0-1:24.1.0", "0-1:96.1.0", "0-1:24.2.1")


@pytest.mark.parametrize(
    ("octets", "flag", "serial"),
    [
        ("0a01445a47000282225e", "DZG", "1 DZG00 4208 2910"),
        ("0901444e540100002030", "DNT", "1 DNT01 0000 8240"),
        ("06454d4801027156cd45", "EMH", "06-45-4D-48-01-02-71-56-CD-45"),
        ("31303031313835", "", "1001185"),
        ("ff00", "", "FF-00"),
    ],
)
def test_server_ids(octets: str, flag: str, serial: str) -> None:
    """Server ids of all generations tell manufacturer and serial as the nameplate has them."""
    assert server_text(bytes.fromhex(octets)) == (flag, serial)


def test_keys_have_no_spaces() -> None:
    """A key is printable ASCII of bounded length, and empty until both parts are known."""
    assert meter_key("DZG", "1 DZG00 4208 2910") == "DZG:1DZG0042082910"
    assert meter_key("DZG", "") == ""
    assert meter_key("", "1") == ""
    assert len(meter_key("DZG", "9" * 200)) == 96
