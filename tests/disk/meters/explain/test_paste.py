"""`wattline decode --hex`, `--spec` and `--explain`: what a person and a program see of pasted bytes."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meters.explain.cli import decode
from meters.wires.encode.iec62056 import encode_iec62056
from meters.wires.encode.p1 import encode_p1

KEYS = ["telegram", "protocol", "identification", "spec", "at", "values", "meters", "error"]
P1 = encode_p1("ISk5\\2MT382-1000", ["1-3:0.2.8(50)", "1-0:1.8.1(000004.426*kWh)", "1-0:32.7.0(0230.0*V)"])
BAD = P1.replace(b"4.426", b"4.427")
BLOCK = encode_iec62056(["1.8.0(000123.4*kWh)", "32.7(230.1*V)"])
SPEC = (
    "name: mine\nversion: 7\nproduct: {name: Mine}\nmatch: {protocol: p1}\nsource: [test]\n"
    "points: [{obis: '1-0:32.7.0', unit: V, scale: 2}]\n"
)


def run(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(decode, arguments, input=stdin)


def json_lines(*arguments: str, stdin: bytes = b"") -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("--json", *arguments, stdin=stdin).stdout.splitlines()]


@pytest.mark.parametrize("arguments", [("--hex", P1.hex()), ("--hex", P1.hex(":")), ("--hex", P1.decode())])
def test_pasted_text_is_decoded(arguments: tuple[str, ...]) -> None:
    """Hex in a dress, and the telegram as it stands; the lines are those of files."""
    line, summary = json_lines(*arguments)
    assert list(line) == KEYS
    assert (line["error"], line["values"]) == (None, {"1-0:1.8.1": 4.426, "1-0:32.7.0": 230})
    assert summary["summary"] == {"telegrams": 1, "decoded": 1, "undecoded": 0, "bytes_skipped": 0}


@pytest.mark.parametrize("piped", [P1.hex(" ").encode(), P1, P1.hex().encode() + b"\n"])
def test_hex_comes_from_standard_input_too(piped: bytes) -> None:
    """`--hex -`, as a dump or as the bytes themselves."""
    assert json_lines("--hex", "-", stdin=piped)[0]["values"]["1-0:1.8.1"] == 4.426


def test_people_see_the_byte_and_the_check() -> None:
    """Stated against computed, the line with a caret below the byte, the cause, and values marked as none."""
    result = run("--hex", BAD.hex())
    assert result.exit_code == 1
    rows = result.stdout.splitlines()
    caret = next(place for place, row in enumerate(rows) if row.strip() == "^")
    assert rows[caret - 1][rows[caret].index("^")] == "7"
    assert "1-0:1.8.1(000004.427*kWh)" in rows[caret - 1]
    assert f"stated {P1[-6:-2].decode()}" in result.stdout
    assert "bit_flip" in result.stdout
    assert "the agent takes none of it for a reading" in result.stdout
    assert "1-0:1.8.1 = 4.427 kWh" in result.stdout


def test_the_walk_is_shown_to_people(tmp_path: Path) -> None:
    """Each record with its bytes and its fate; also of files."""
    file = tmp_path / "p1.txt"
    file.write_bytes(P1)
    result = run("--explain", str(file))
    place = P1.index(b"1-0:1.8.1")
    row = next(row for row in result.stdout.splitlines() if row.strip().startswith(f"{place}+25"))
    assert "reading 1-0:1.8.1 = 4.426 kWh" in row
    assert "iskra-mt382@1" in result.stdout


def test_json_has_the_explanation_under_its_own_key_and_only_if_asked() -> None:
    """All other keys stay those of the contract."""
    (line, _), (plain, _) = json_lines("--explain", "--hex", BAD.hex()), json_lines("--hex", BAD.hex())
    assert list(plain) == KEYS
    assert list(line) == [*KEYS, "explain"]
    assert {key: line[key] for key in KEYS} == plain
    assert line["explain"]["fault"]["reason"] == "crc_mismatch"
    assert line["explain"]["walk"]


def test_a_block_on_its_own_is_no_reading_when_pasted(tmp_path: Path) -> None:
    """The device would not take it: `--hex` says so, and a file that has always been read is marked."""
    bare = BLOCK[1:-2]
    line, summary = json_lines("--hex", bare.hex())
    assert line["error"].startswith("unframed: read for explanation only, without STX before the data block")
    assert (line["values"], summary["summary"]["decoded"]) == ({}, 0)
    start = encode_iec62056(["0.0(12345678)", "1.8.0(000123.4*kWh)"])[1:-2]
    (tmp_path / "bare.txt").write_bytes(start)
    (line, _) = json_lines("--explain", str(tmp_path / "bare.txt"))
    assert line["error"] is None
    assert line["explain"]["trusted"] is False
    assert line["explain"]["missing"][0] == "STX before the data block"


def test_a_spec_of_ones_own_is_used(tmp_path: Path) -> None:
    """--spec FILE decides, whatever the catalogue has."""
    spec = tmp_path / "mine.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    line, _ = json_lines("--spec", str(spec), "--hex", P1.hex())
    assert (line["spec"], line["values"]) == ("mine@7", {"1-0:32.7.0": 460})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--hex", "1b1b1"), "an odd number"),
        (("--hex", "hello there"), "no hex digit"),
        (("--hex", ""), "no digits"),
        ((), "give either files"),
        (("--hex", "00", "file"), "give either files"),
        (("--spec", "/nowhere.yaml", "--hex", "00"), "/nowhere.yaml: No such file"),
    ],
)
def test_slips_are_named(arguments: tuple[str, ...], words: str) -> None:
    """One sentence, no traceback."""
    result = run(*arguments)
    assert result.exit_code in (1, 2)
    assert words in result.stderr
    assert isinstance(result.exception, SystemExit)


def test_a_wrong_spec_is_named(tmp_path: Path) -> None:
    """Field and fix, as everywhere."""
    spec = tmp_path / "mine.yaml"
    spec.write_text(SPEC.replace("obis:", "code:"), encoding="utf-8")
    result = run("--spec", str(spec), "--hex", P1.hex())
    assert result.exit_code == 1
    assert "points.0" in result.stderr


def test_rubbish_is_said_to_be_what_it_looks_like() -> None:
    """No telegram at all: what the bytes look like, exit status 1, and no line in JSON."""
    noise = bytes((place * 151 + 7) % 256 for place in range(300)).hex()
    result = run("--hex", noise)
    assert "wrong_baud" in result.stdout
    assert result.exit_code == 1
    assert [list(line) for line in json_lines("--hex", noise)] == [["summary"]]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.sampled_from([P1, BAD, BLOCK]), st.text(max_size=80).map(str.encode)))
def test_nothing_pasted_gives_a_traceback(data: bytes) -> None:
    """Whatever comes in ends with a status, for people with an explanation."""
    for arguments in (["--hex", "-"], ["--explain", "--hex", "-"], ["--explain", "-"]):
        result = run(*arguments, stdin=data)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert "\x1b" not in result.stdout


def test_values_that_no_meter_can_have_are_named() -> None:
    """Of the meter and of a sub-meter, each with its field and bounds; a good line has no such entry."""
    gas = ["0-1:24.1.0(003)", "0-1:96.1.0(4730)", "0-1:24.2.1(231113100000W)(999999999999.0*m3)"]
    odd = encode_p1("XXX5\\ANY", ["1-3:0.2.8(50)", "0-0:1.0.0(231113100500W)", "1-0:32.7.0(9999999.0*V)", *gas])
    (line, _) = json_lines("--hex", odd.hex())
    (serial,) = line["meters"]
    assert [one["field"] for one in line["implausible"]] == ["values.1-0:32.7.0", f"meters.{serial}.0-1:24.2.1"]
    assert line["implausible"][0] == {"field": "values.1-0:32.7.0", "value": 9999999, "low": -1e6, "high": 1e6}
