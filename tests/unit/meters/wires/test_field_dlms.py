"""Captures of DLMS push and of encrypted P1: each gives the values that stand beside it, and nothing else is read."""

import json
import os
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from broker.contract.obis import Obis, canonical
from meters.explain.cli import decode
from meters.explain.lines import Decoding
from meters.specs.catalogue import catalogue
from meters.telegram import Frame, Record, Telegram, Wire
from meters.wires.encode.p1 import encode_p1
from meters.wires.meter_key import MeterKey
from meters.wires.p1 import parse_p1
from meters.wires.readers import AnyFramer, parse

pytestmark = pytest.mark.field

FOLDERS = ("dlms-hdlc", "dlms-swiss-push", "dlms-mbus-encrypted", "p1-encrypted")
_FIELD = Path(os.environ.get("WATTLINE_FIELD") or Path(__file__).resolve().parents[5] / "shared" / "field")
_CLOCK = "clock (meter, local)"


def _cases() -> Iterator[Any]:
    """Each capture with what its folder says is right; none where the folder is not here."""
    for folder in FOLDERS:
        for name, right in (
            json.loads((_FIELD / folder / "expected.json").read_text()).items() if _FIELD.is_dir() else ()
        ):
            yield pytest.param(name, right, id=name)


CASES = list(_cases())


def key_of(right: dict[str, Any]) -> MeterKey | None:
    """The key that stands beside a capture, if it needs one."""
    text = (right.get("key") or "").partition(" ")[0]
    return MeterKey.parse(text, right.get("authentication_key") or "") if text else None


def telegrams(data: bytes, key: MeterKey | None) -> list[Telegram]:
    """What all framers at once find, fed in small pieces."""
    framer = AnyFramer(bare=False)
    found = [event for at in range(0, len(data), 7) for event in framer.feed(data[at : at + 7])]
    return [parse(event, key) for event in [*found, *framer.finish()] if isinstance(event, Frame)]


@pytest.mark.parametrize(("name", "right"), CASES)
def test_a_capture_gives_the_values_beside_it(name: str, right: dict[str, Any]) -> None:
    """Numbers with a unit as readings by a shipped spec, others as they stand on the wire, and the meter's clock."""
    data = (_FIELD / name).read_bytes()
    found = telegrams(data, key_of(right))
    assert len(found) == right["telegrams"]
    if not found:
        return
    (telegram,) = found
    (line,) = (one.line for one in Decoding(catalogue(), key=key_of(right)).found(data))
    assert line["error"] is None
    if name.startswith("p1-encrypted"):
        assert telegram.records == listed(right["first"])
        return
    records = {record.address: record for record in telegram.records}
    for code, (value, unit) in right["first"].items():
        if code == _CLOCK or (code == "0-0:1.0.0" and "status" in str(value)):
            assert_clock(telegram, value)
        elif unit is not None:
            wanted, _ = canonical(Obis.parse(code), Decimal(str(value)), unit)
            assert Decimal(str(line["values"][code])) == round(wanted, 9), code
        elif value == "null":
            assert code not in line["values"]
        else:
            assert_as_it_stands(code, str(value), records.get(code), line["values"], telegram)


def listed(lines: dict[str, str]) -> tuple[Record, ...]:
    """The records of a P1 telegram of these lines."""
    return parse_p1(Frame(Wire.P1, encode_p1("/Lux5", [code + groups for code, groups in lines.items()]))).records


def assert_clock(telegram: Telegram, stated: str) -> None:
    """The meter's clock, which the source gives in its own zone or in UTC."""
    digits = re.match(r"[0-9.:\- ]+", stated)
    assert digits is not None
    layout = "%d.%m.%Y %H:%M:%S" if stated[2] == "." else "%Y-%m-%d %H:%M:%S"
    wanted = datetime.strptime(digits[0].strip(), layout)  # noqa: DTZ007 - a wall clock
    assert telegram.time is not None
    at = telegram.time.at
    assert wanted in (telegram.time.local, at.replace(tzinfo=None) if at else None)


def assert_as_it_stands(
    code: str, stated: str, record: Record | None, values: dict[str, float], telegram: Telegram
) -> None:
    """A text, octets in hex, or a number without unit: of a list without codes the number on the wire in its place."""
    if record is not None:
        value = record.value
        shown = {str(value)}
        if isinstance(value, bytes):
            shown = {value.hex(), value.decode("latin-1")}
        if isinstance(value, Decimal):
            assert value == Decimal(stated), code
        else:
            assert stated in shown, code
    elif re.fullmatch(r"[0-9]+", stated):
        assert code in values, code
        assert Decimal(stated) in {one.value for one in telegram.records}, code
        assert (values[code] == 0) == (stated == "0"), code
    else:
        assert bytes.fromhex(stated) in {one.value for one in telegram.records}, code


@pytest.mark.parametrize(("name", "right"), CASES)
def test_a_ciphered_capture_without_its_key_says_so(name: str, right: dict[str, Any]) -> None:
    """No reading, what it is and whose; a wrong key is called wrong, and the right one is never shown."""
    if not right.get("key"):
        return
    plain = CliRunner().invoke(decode, [str(_FIELD / name)])
    assert plain.exit_code == 1
    assert "key_needed" in plain.stdout
    assert "needs the meter's key" in plain.stdout.replace("\n", " ") or "need the meter's key" in plain.stderr
    assert "baud" not in plain.output
    key = right["key"].partition(" ")[0]
    wrong = key[:-1] + ("0" if key[-1] != "0" else "1")
    refused = CliRunner().invoke(decode, ["--json", "--explain", "--key", wrong, str(_FIELD / name)])
    assert refused.exit_code == 1
    assert "wrong_key" in refused.stdout
    assert wrong not in refused.output


@pytest.mark.parametrize(("name", "right"), CASES)
def test_a_capture_explains_itself(name: str, right: dict[str, Any]) -> None:
    """`wattline decode --explain` names the framing, shows each check, and each record with its bytes in the input."""
    data, key = (_FIELD / name).read_bytes(), key_of(right)
    for found in Decoding(catalogue(), explaining="all", key=key).found(data):
        assert found.explained is not None
        document = found.explained.document(walk=True)
        assert re.match(r"DLMS over (HDLC|M-Bus) \([0-9]+ frames?\)|an encrypted P1", document["framing"])
        if not right["telegrams"]:
            assert document["fault"]["reason"] == "block_lost"
            continue
        assert document["fault"] is None
        assert all(check["holds"] for check in document["checks"])
        assert document["checks"] or name.startswith("p1-")
        if key is None:
            (walk,) = [document["walk"]]
            whole = [
                step for step in walk if data[step["offset"] : step["offset"] + step["length"]].hex() == step["raw"]
            ]
            # a record that two frames share has their heads inside
            assert len(whole) >= len(walk) - 3
