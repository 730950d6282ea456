"""`wattline decode`: a line a telegram, a summary, and clear words for what cannot be decoded."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from meters.explain.cli import decode, decode_stream, json_number
from meters.specs.catalogue import catalogue
from meters.telegram import Wire
from meters.wires.capture_text import unwrap
from meters.wires.encode.iec62056 import encode_iec62056
from meters.wires.encode.p1 import encode_p1
from meters.wires.encode.sml import SmlValue, encode_sml

KEYS = ["telegram", "protocol", "identification", "spec", "at", "values", "meters", "error"]
SAGEMCOM = encode_p1(
    "FLU5\\253769484_A",
    [
        "0-0:1.0.0(231102121548W)",
        "1-0:1.8.1(012345.678*kWh)",
        "1-0:1.6.0(231102114500W)(03.064*kW)",
        "0-1:96.1.1(37464C4F32313233303838303237)",
        "0-1:24.2.3(231102121002W)(00092.287*m3)",
    ],
)
HOLLEY = encode_sml(
    bytes.fromhex("0a01484c5902000d6be6"),
    [
        SmlValue("1-0:96.50.1*1", b"HLY"),
        SmlValue("1-0:1.8.0", Decimal("2355929.0"), "Wh", -1),
        SmlValue("1-0:16.7.0", Decimal(376), "W"),
    ],
)
PROFILE = encode_iec62056(
    ["P.01(0231113101500)(00)(15)(2)(1.5)(kW)(8.5)(kvar)", "(0.18374)(0.02431)", "(0.16832)(0.02686)"], end=""
)


def lines(data: bytes, protocol: Any = "auto") -> list[dict[str, Any]]:
    return list(decode_stream(data, protocol, catalogue()))


def run(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(decode, arguments, input=stdin)


def test_a_p1_telegram_is_one_line() -> None:
    """All keys of the contract, in their order; values, sub-meters and time as a program wants them."""
    line, summary = lines(SAGEMCOM)
    assert list(line) == KEYS
    assert line == {
        "telegram": 1,
        "protocol": "p1",
        "identification": "FLU5\\253769484_A",
        "spec": "fluvius-digital-meter@1",
        "at": "2023-11-02T11:15:48Z",
        "values": {"1-0:1.8.1": 12345.678, "1-0:1.6.0": 3.064},
        "meters": {"7FLO2123088027": {"0-1:24.2.3": 92.287}},
        "error": None,
    }
    assert summary == {"summary": {"telegrams": 1, "decoded": 1, "undecoded": 0, "bytes_skipped": 0}}


def test_an_sml_telegram_has_no_time_of_its_own() -> None:
    """`at` is null where the meter has no clock."""
    line, _ = lines(HOLLEY)
    assert (line["spec"], line["at"]) == ("holley-dtz541@2", None)
    assert line["values"] == {"1-0:1.8.0": 2355.929, "1-0:16.7.0": 0.376}


def test_a_load_profile_stays_one_line() -> None:
    """`at` and `values` are those of the last interval; `profile` holds all of them."""
    line, _ = lines(PROFILE)
    assert line["at"] == "2023-11-13T09:30:00Z"
    assert line["values"] == {"1-0:1.5.0": 0.16832, "1-0:8.5.0": 0.02686}
    assert [row["at"] for row in line["profile"]] == ["2023-11-13T09:15:00Z", "2023-11-13T09:30:00Z"]
    assert line["profile"][0]["values"] == {"1-0:1.5.0": 0.18374, "1-0:8.5.0": 0.02431}


@pytest.mark.parametrize("data", [SAGEMCOM.replace(b"12345.678", b"12345.679"), HOLLEY[:60] + b"\xff" + HOLLEY[61:]])
def test_a_telegram_that_fails_its_check_is_a_line_without_values(data: bytes) -> None:
    """It has an error and nothing else that could be taken for a reading, and counts as undecoded."""
    *found, summary = lines(data + HOLLEY)
    bad = found[0]
    assert "crc_mismatch" in bad["error"]
    assert (bad["values"], bad["meters"], bad["at"], bad["spec"]) == ({}, {}, None, None)
    assert bad["protocol"] in ("p1", "sml")
    assert summary["summary"]["undecoded"] == 1
    assert summary["summary"]["decoded"] == 1


def test_noise_between_telegrams_is_counted() -> None:
    """Telegrams are found in noise, numbered from 1, and the rest is counted."""
    *found, summary = lines(b"\x00\xff" * 20 + SAGEMCOM + b"noise" + HOLLEY)
    assert [(line["telegram"], line["protocol"]) for line in found] == [(1, "p1"), (2, "sml")]
    assert summary["summary"]["decoded"] == 2
    assert summary["summary"]["bytes_skipped"] > 0


def test_a_given_protocol_reads_nothing_else() -> None:
    """With --protocol sml a P1 telegram is only noise."""
    *found, _ = lines(SAGEMCOM + HOLLEY, Wire.SML)
    assert [line["protocol"] for line in found if line["error"] is None] == ["sml"]


@pytest.mark.parametrize(
    "wrapped",
    [
        HOLLEY.hex().encode(),
        HOLLEY.hex(" ").upper().encode() + b"\n",
        b"\n".join(HOLLEY.hex().encode()[i : i + 32] for i in range(0, 2 * len(HOLLEY), 32)),
    ],
)
def test_hex_dumps_are_read_as_their_octets(wrapped: bytes) -> None:
    """Digits with blanks and lines between them, in either case."""
    assert unwrap(wrapped) == HOLLEY


def test_terminal_logs_are_read_as_their_control_characters() -> None:
    """`<CR><LF>`, `<STX>` and `<ETX>` spelled out are what they name."""
    spelled = PROFILE.replace(b"\r\n", b"<CR><LF>").replace(b"\x02", b"<STX>").replace(b"\x03", b"<ETX>")
    assert unwrap(spelled) == PROFILE


def test_logs_of_cat_v_are_read() -> None:
    """`^M` at line ends, `^B` and `^C` are the characters they stand for; bytes that are no text stay as they are."""
    spelled = PROFILE.replace(b"\r\n", b"^M\n").replace(b"\x02", b"^B").replace(b"\x03", b"^C")
    assert unwrap(spelled) == PROFILE
    assert unwrap(HOLLEY + b"^M\n") == HOLLEY + b"^M\n"
    assert lines(spelled) == lines(PROFILE)


@pytest.mark.parametrize("data", [SAGEMCOM, HOLLEY, b"", b"abc", b"12 34"])
def test_raw_bytes_stay_as_they_are(data: bytes) -> None:
    """Neither telegrams nor a few digits are taken for a dump."""
    assert unwrap(data) == data


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_break_it(data: bytes) -> None:
    """Whatever a file holds, it ends with a summary, and every line can be written as JSON."""
    *_, summary = lines(data)
    assert json.loads(json.dumps(summary))["summary"]["telegrams"] >= 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("012345.678", "12345.678"),
        ("0.000", "0"),
        ("5430.1577", "5430.1577"),
        ("-0.29912", "-0.29912"),
        ("100", "100"),
        ("1E+3", "1000"),
    ],
)
def test_numbers_are_the_shortest_that_say_the_same(value: str, text: str) -> None:
    """No float dust and no trailing zeros."""
    assert json.dumps(json_number(Decimal(value))) == text


def test_json_output_is_a_line_a_telegram_and_a_summary(tmp_path: Path) -> None:
    """One file: no file names in the lines; exit status 0."""
    file = tmp_path / "capture.bin"
    file.write_bytes(HOLLEY + SAGEMCOM)
    result = run("--json", str(file))
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [list(line) for line in found] == [KEYS, KEYS, ["summary"]]
    assert found[-1]["summary"] == {"telegrams": 2, "decoded": 2, "undecoded": 0, "bytes_skipped": 0}


def test_several_files_name_themselves_and_share_a_summary(tmp_path: Path) -> None:
    """Each file is a port of its own: telegrams count from 1 again, the summary is over all."""
    for name, data in (("a", HOLLEY), ("b", SAGEMCOM)):
        (tmp_path / name).write_bytes(data)
    result = run("--json", str(tmp_path / "a"), str(tmp_path / "b"))
    first, second, last = (json.loads(line) for line in result.stdout.splitlines())
    assert (first["file"], second["file"]) == (str(tmp_path / "a"), str(tmp_path / "b"))
    assert (first["telegram"], second["telegram"]) == (1, 1)
    assert last["summary"]["decoded"] == 2


def test_standard_input_is_a_file_too() -> None:
    """`-` reads what is piped in."""
    result = run("--json", "-", stdin=HOLLEY)
    assert result.exit_code == 0
    assert json.loads(result.stdout.splitlines()[0])["spec"] == "holley-dtz541@2"


def test_people_get_a_table(tmp_path: Path) -> None:
    """Code, quantity, value and unit can be read; nothing unprintable of the line reaches the terminal."""
    file = tmp_path / "capture.bin"
    file.write_bytes(SAGEMCOM.replace(b"\\2", b"\x1b[2J"))
    result = run("--protocol", "p1", str(file))
    assert "\x1b[2J" not in result.stdout
    file.write_bytes(SAGEMCOM + PROFILE)
    shown = run(str(file)).stdout
    assert all(word in shown for word in ("fluvius-digital-meter@1", "12345.678", "kWh", "92.287", "m³", "0.16832"))
    assert "2 telegrams: 2 decoded, 0 undecoded" in shown


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "No such file"),
        (b"", "empty"),
        (bytes(range(128, 256)) * 8, "no telegram could be decoded in 1,024 bytes"),
    ],
)
def test_what_cannot_be_decoded_is_said_and_fails(tmp_path: Path, data: bytes | None, words: str) -> None:
    """A missing file, an empty one and rubbish: one clear sentence, a summary, exit status 1."""
    file = tmp_path / "x.bin"
    if data is not None:
        file.write_bytes(data)
    result = run("--json", str(file))
    assert result.exit_code == 1
    assert words in result.stderr
    assert str(file) in result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["summary"]["decoded"] == 0


def test_a_missing_file_does_not_hide_the_others(tmp_path: Path) -> None:
    """The rest is decoded, and the status still tells that something was missing."""
    (tmp_path / "a").write_bytes(HOLLEY)
    result = run("--json", str(tmp_path / "none"), str(tmp_path / "a"))
    assert result.exit_code == 1
    assert json.loads(result.stdout.splitlines()[-1])["summary"]["decoded"] == 1


def test_the_place_where_the_meter_hangs_is_given_by_its_zone(tmp_path: Path) -> None:
    """`--zone` counts before the spec's own; what is no zone is refused by name."""
    file = tmp_path / "p1"
    file.write_bytes(encode_p1("XYZ5\\X", ["0-0:1.0.0(230808113811S)", "1-0:1.8.0(1*kWh)"]))
    stamps = {
        zone: json.loads(run("--json", *zone, str(file)).stdout.splitlines()[0])["at"]
        for zone in ((), ("--zone", "Europe/Vilnius"))
    }
    assert list(stamps.values()) == ["2023-08-08T09:38:11Z", "2023-08-08T08:38:11Z"]
    refused = run("--zone", "Vilnius", str(file))
    assert refused.exit_code != 0
    assert "--zone: Vilnius is no IANA zone" in refused.stderr


@pytest.mark.parametrize("name", ["generic-p1", "generic-p1@1"])
def test_a_spec_by_its_name_in_the_catalogue(name: str) -> None:
    """With its version or without; no file is needed."""
    line = json.loads(run("--spec", name, "--json", "-", stdin=SAGEMCOM).stdout.splitlines()[0])
    assert line["spec"] == "generic-p1@1"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("landisgyr-e450@1", "near are lgz-e450-ch, lgz-e450-ch-plain"),
        ("iskra-mt38", "near are iskra-mt382"),
        ("generic-p1@9", "the catalogue has generic-p1@1"),
        ("zzzz", "docs/METERS.md"),
        ("nofile.yaml", "No such file"),
    ],
)
def test_a_spec_that_is_nowhere_is_told_with_those_near_it(name: str, says: str) -> None:
    """What was meant can be seen from the refusal."""
    ended = run("--spec", name, "-", stdin=SAGEMCOM)
    assert ended.exit_code == 1
    assert says in ended.output


def test_a_file_goes_before_a_name_of_the_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file called like a spec is what was meant."""
    monkeypatch.chdir(tmp_path)
    Path("generic-p1").write_text("name: [")
    assert "generic-p1: " in run("--spec", "generic-p1", "-", stdin=SAGEMCOM).output
