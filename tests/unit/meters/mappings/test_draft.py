"""A mapping drafted from a sample reads that sample, and says what it guessed."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from meters.mappings.apply import map_payload
from meters.mappings.draft import draft_mapping
from meters.mappings.field_names import guess_quantity
from meters.mappings.load import load_mapping
from meters.mappings.types import Payload

RECEIVED = datetime(2026, 11, 23, 10, tzinfo=UTC)
FOLDER = Path(__file__).parents[3] / "data" / "mappings"


def drafted(body: bytes, topic: str | None = None, content_type: str = "") -> dict[str, dict[str, float]]:
    sample = Payload(body, RECEIVED, content_type, topic)
    made = draft_mapping(sample)
    mapping = load_mapping(made.text, origin="draft")
    found = map_payload(mapping, sample)
    return {
        meter: {code: float(value) for one in samples for code, value in one.values.items()}
        for meter, samples in found.readings.items()
    }


@pytest.mark.parametrize(
    ("name", "code", "unit"),
    [
        ("energy_import", "1-0:1.8.0", "kWh"), ("total_kwh", "1-0:1.8.0", "kWh"),
        ("EnergyExport_Wh", "1-0:2.8.0", "Wh"),
        ("power", "1-0:16.7.0", "W"), ("power_l2", "1-0:56.7.0", "W"), ("voltage_l1", "1-0:32.7.0", "V"),
        ("a_current", "1-0:31.7.0", "A"), ("total_act_ret", "1-0:2.8.0", "kWh"), ("pf", "1-0:13.7.0", ""),
        ("frequency", "1-0:14.7.0", "Hz"), ("gas_m3", "7-0:3.0.0", "m³"), ("1.8.0", "1-0:1.8.0", ""),
        ("Leistung_kW", "1-0:16.7.0", "kW"),
        ("energy_kwh", "1-0:1.8.0", "kWh"), ("energy_wh", "1-0:1.8.0", "Wh"), ("kWh_total", "1-0:1.8.0", "kWh"),
        ("totalKWh", "1-0:1.8.0", "kWh"), ("energykWh", "1-0:1.8.0", "kWh"), ("import", "1-0:1.8.0", "kWh"),
        ("export", "1-0:2.8.0", "kWh"), ("u1", "1-0:32.7.0", "V"), ("I3", "1-0:71.7.0", "A"),
        ("powerW", "1-0:16.7.0", "W"),
        ("energy_import_t2_kwh", "1-0:1.8.2", "kWh"), ("voltage l2", "1-0:52.7.0", "V"),
    ],
)  # fmt: skip
def test_names_are_known(name: str, code: str, unit: str) -> None:
    found = guess_quantity(name)
    assert found is not None
    assert (found.code, found.unit) == (code, unit)


@pytest.mark.parametrize(
    "name", ["price_kwh", "kwh_today", "daily_kwh", "kwh_per_day", "reactive_energy_kvarh", "temp"]
)
def test_what_is_no_register_is_no_guess(name: str) -> None:
    """A price, or the energy of a day, is not taken for a meter's register."""
    assert guess_quantity(name) is None


def test_names_of_an_energy_that_say_no_direction() -> None:
    guesses = {one: guess_quantity(one) for one in ("energy_kwh", "kwh", "import", "bezug", "1.8.0")}
    assert [one for one, guess in guesses.items() if guess and guess.assumed_import] == ["energy_kwh", "kwh"]


def test_numbers_that_are_left_out_are_said() -> None:
    """A list of three is the phases; what no value takes is named, and a guessed direction, too."""
    body = (
        b'{"ts":1764147600,"energy_kwh":12345.678,"kwh":3,"power_w":482.5,"voltage":[230.1,231,229.5],"temp":21.5,'
        b'"id":7,"profile":[1,2,3,4]}'
    )
    assert drafted(body) == {
        "ACME:7": {
            "1-0:1.8.0": 12345.678, "1-0:16.7.0": 0.4825, "1-0:32.7.0": 230.1, "1-0:52.7.0": 231, "1-0:72.7.0": 229.5,
        }
    }  # fmt: skip
    notes = draft_mapping(Payload(body, RECEIVED)).notes
    assert "left out: kwh; 1-0:1.8.0 is energy_kwh already" in notes
    assert "left out: temp; no quantity is known by that name" in notes
    assert "left out: profile; it is a list of 4, profile[0] is its first" in notes
    assert "values.1-0:1.8.0: that energy_kwh is import is a guess; export is 1-0:2.8.0" in notes
    assert "values.1-0:32.7.0: that voltage[0] is phase L1 is a guess" in notes
    assert len([note for note in notes if note.startswith("left out")]) == 3


def test_numbers_beside_the_records_are_left_out_aloud() -> None:
    body = b'{"kwh":5,"data":{"points":[{"meter_id":"m1","time":"2026-11-23T10:00:00Z","energy_import_wh":5000}]}}'
    assert "left out: _body.kwh; it stands beside the records" in draft_mapping(Payload(body, RECEIVED)).notes


def test_a_clouds_object() -> None:
    body = b'{"ts":1764147600,"device":{"serial":"A-77"},"total_kwh":12.5,"power":482,"voltage_l1":230.1,"note":"x"}'
    assert drafted(body) == {"ACME:A-77": {"1-0:1.8.0": 12.5, "1-0:16.7.0": 0.482, "1-0:32.7.0": 230.1}}


def test_records_within_an_object() -> None:
    body = (
        b'{"meta":{"n":1},"data":{"points":[{"meter_id":"m1","time":"2026-11-23T10:00:00Z","energy_import_wh":5000}]}}'
    )
    assert drafted(body) == {"ACME:m1": {"1-0:1.8.0": 5.0}}


def test_codes_that_the_records_say_themselves() -> None:
    body = b'[{"meter":"m1","timestamp":"2026-11-23T10:00:00Z","obis":"1-0:2.8.0","value":"7","unit":"kWh"}]'
    assert drafted(body) == {"ACME:m1": {"1-0:2.8.0": 7.0}}


def test_a_number_to_a_topic() -> None:
    assert drafted(b"12.5", "acme/em-0815/power") == {"ACME:em-0815": {"1-0:16.7.0": 0.0125}}


def test_a_table_with_decimal_commas() -> None:
    table = "Bericht\nZeit;Zähler;Bezug kWh\n23.11.2026 10:00;4711;1.234,5\n23.11.2026 10:15;4711;1.234,75\n"
    for body in (table.encode(), table.encode("cp1252")):
        assert drafted(body) == {"ACME:4711": {"1-0:1.8.0": 1234.75}}


def test_a_form() -> None:
    assert drafted(b"id=9&time=1764147600&power=250") == {"ACME:9": {"1-0:16.7.0": 0.25}}


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_draft_of_any_golden_is_a_mapping_with_its_sample(file: Path) -> None:
    golden = yaml.safe_load(file.read_text())["goldens"][0]
    body = golden["payload"].encode() if "payload" in golden else base64.b64decode(golden["base64"])
    made = draft_mapping(Payload(body, RECEIVED, golden.get("content_type", ""), golden.get("topic")))
    load_mapping(made.text, origin="draft")
    assert made.notes


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=200) | st.text(alphabet='{}[]":,;\n=&aé1.0', max_size=60).map(str.encode))
def test_whatever_the_sample_the_draft_is_a_mapping(body: bytes) -> None:
    load_mapping(draft_mapping(Payload(body, RECEIVED)).text, origin="draft")
