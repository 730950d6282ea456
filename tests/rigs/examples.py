"""The captures that ship in docs/examples, by our own encoders: `python -m tests.rigs.examples` writes them anew."""

from decimal import Decimal
from pathlib import Path

from meters.wires.encode.iec62056 import encode_iec62056
from meters.wires.encode.p1 import encode_p1
from meters.wires.encode.sml import SmlValue, encode_sml

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "examples"
_SERVER_ID = bytes.fromhex("090149534b0004067c83")


def p1(wh: int = 1_234_567, at: str = "261123101500W") -> bytes:
    """A DSMR 5 telegram of an Iskra AM550 with a gas meter."""
    return encode_p1(
        "ISK5\\2M550T-1012",
        [
            "1-3:0.2.8(50)",
            f"0-0:1.0.0({at})",
            "0-0:96.1.1(4530303434303037313333313536303138)",
            f"1-0:1.8.1({wh // 1000:06d}.{wh % 1000:03d}*kWh)",
            "1-0:1.8.2(002345.678*kWh)",
            "1-0:2.8.1(000000.000*kWh)",
            "1-0:2.8.2(000012.345*kWh)",
            "0-0:96.14.0(0002)",
            "1-0:1.7.0(00.482*kW)",
            "1-0:2.7.0(00.000*kW)",
            "1-0:32.7.0(231.4*V)",
            "1-0:31.7.0(002*A)",
            "0-1:24.1.0(003)",
            "0-1:96.1.0(4730303434303037313333313536303138)",
            "0-1:24.2.1(261123101000W)(00246.138*m3)",
        ],
    )


def sml(wh: str = "1234567.8", seconds: int = 7_654_321) -> bytes:
    """An SML file of an Iskra MT175."""
    values = [
        SmlValue("129-129:199.130.3", b"ISK"),
        SmlValue("1-0:0.0.9", _SERVER_ID),
        SmlValue("1-0:1.8.0", Decimal(wh), "Wh", scaler=-1, width=-8, status=0x0182),
        SmlValue("1-0:2.8.0", Decimal("12345.6"), "Wh", scaler=-1, width=-8, status=0x0182),
        SmlValue("1-0:16.7.0", Decimal(482), "W", scaler=0, width=-4),
        SmlValue("1-0:36.7.0", Decimal(160), "W", scaler=0, width=-4),
        SmlValue("1-0:56.7.0", Decimal(161), "W", scaler=0, width=-4),
        SmlValue("1-0:76.7.0", Decimal(161), "W", scaler=0, width=-4),
    ]
    return encode_sml(_SERVER_ID, values, seconds=seconds, transaction=seconds & 0xFFFFFF)


def iec62056() -> bytes:
    """A readout of a Landis+Gyr E350 by IEC 62056-21, with its identification."""
    lines = [
        "F.F(00)",
        "0.0(12345678)",
        "1.8.0(001234.567*kWh)",
        "2.8.0(000012.345*kWh)",
        "32.7(231*V)",
        "31.7(002.10*A)",
    ]
    return b"/LGZ4ZMF100AC.M23\r\n" + encode_iec62056(lines)


def damaged() -> bytes:
    """A good P1 telegram, and one in which one bit was turned on the way."""
    whole = bytearray(p1(at="261123101501W"))
    whole[whole.index(b"(00.482*kW)") + 4] ^= 0x01
    return p1() + bytes(whole)


EXAMPLES = {
    "p1.bin": p1() + p1(1_234_568, "261123101510W"),
    "sml.bin": sml() + sml("1234567.9", 7_654_323),
    "iec62056-21.bin": iec62056(),
    "damaged.bin": damaged(),
}

if __name__ == "__main__":
    for name, capture in EXAMPLES.items():
        (FOLDER / name).write_bytes(capture)
