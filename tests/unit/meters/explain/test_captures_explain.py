"""Telegrams of real meters explained: the same readings as decoded, every check named, and damage found again."""

from pathlib import Path

import pytest

from meters.explain.lines import Decoding, Found
from meters.specs.catalogue import catalogue
from meters.wires.capture_text import unwrap
from meters.wires.sml_transport import START

pytestmark = pytest.mark.captures
FILES = [
    "p1/telegram_v5.txt", "p1/telegram_fluvius_v171.txt", "p1/telegram_v2_2.txt", "p1/telegram_v3.txt",
    "p1/telegram_unpadded_crc.txt", "p1/ttyUSB0-mini.txt", "p1/telegram_v5_eon_hu.txt",
    "iec62056-21/hager_ehz161wa", "iec62056-21/metcom_table1.txt", "iec62056-21/datablock_electricity.txt",
    "iec62056-21/datablock_heat.txt", "iec62056-21/P01_data_4.txt",
    "sml/DZG_DVS-7412.2_jmberg.bin", "sml/EMH_eHZ-IW8E2A5L0EK2P_with_error.bin", "sml/HOLLEY_DTZ541-BDBA_with_PIN.bin",
    "sml/ISKRA_MT175_eHZ.bin", "sml/eBZ_DD3_DD3BZ06DTA-SMZ1_without_PIN.bin", "sml/dzg_dwsb20_2th_3byte.bin",
]  # fmt: skip


def explained(data: bytes) -> list[Found]:
    return list(Decoding(catalogue(), explaining="all").found(data))


@pytest.mark.parametrize("name", FILES)
def test_the_explanation_agrees_with_the_reading(captures: Path, name: str) -> None:
    """Of each good telegram: by the same spec, the same values, all checks holding, every record with its fate."""
    for each in explained((captures / name).read_bytes()):
        assert each.explained is not None
        if each.line["error"] is not None:
            assert each.explained.fault is not None
            continue
        assert each.explained.fault is None
        assert all(check.holds for check in each.explained.checks)
        reading = each.explained.reading
        if reading is None:
            assert name == "iec62056-21/P01_data_4.txt"
            continue
        assert reading.spec == each.line["spec"]
        assert each.explained.document(walk=False)["as_read"].items() >= each.line["values"].items()
        placed = [record for step in reading.steps for record in step.records]
        assert len(placed) == len(reading.telegram.records)
        assert all(became for step in reading.steps for became in step.became)


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("sml/")])
def test_files_without_their_transport_say_the_same(captures: Path, name: str) -> None:
    """The first file of each capture, less start and end sequence: the same values, none of them a reading."""
    good = next(each for each in explained((captures / name).read_bytes()) if each.line["error"] is None)
    assert good.explained is not None
    data = (captures / name).read_bytes()
    frame = data[good.explained.offset : good.explained.offset + good.explained.length]
    (bare,) = explained(frame[len(START) : -8])
    assert bare.line["error"].startswith("unframed: ")
    assert bare.line["values"] == {}
    assert bare.explained is not None
    assert bare.explained.document(walk=False)["as_read"] == good.line["values"]


@pytest.mark.parametrize(
    "name", ["p1/telegram_v5.txt", "sml/ISKRA_MT175_eHZ.bin", "sml/HOLLEY_DTZ541-BDBA_with_PIN.bin"]
)
def test_a_flipped_bit_of_a_real_telegram_is_found(captures: Path, name: str) -> None:
    """At every seventh byte of its inner part: the flip is among the causes, or the byte is where it breaks."""
    data = unwrap((captures / name).read_bytes())
    good = next(each for each in explained(data) if each.line["error"] is None)
    assert good.explained is not None
    frame = data[good.explained.offset : good.explained.offset + good.explained.length]
    found = tried = 0
    for place in range(40, len(frame) - 20, 7):
        bad = frame[:place] + bytes([frame[place] ^ 1]) + frame[place + 1 :]
        seen = explained(bad)
        assert all(each.line["error"] is not None for each in seen)
        tried += 1
        places = {hint.offset for each in seen if each.explained for hint in each.explained.hints}
        places |= {each.explained.fault.offset for each in seen if each.explained and each.explained.fault}
        found += place in places
    assert found >= 0.95 * tried
