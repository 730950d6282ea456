"""Telegrams of public bug reports, as a person decodes them: the readings that their reporters say are right."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meters.explain.cli import decode_stream
from meters.specs.catalogue import catalogue
from meters.wires.capture_text import undress

pytestmark = pytest.mark.field

ELSEWHERE = {"hint-other-protocol", "iec-line-habits", "iec-register-without-unit"}
"""Cases about hints, lines and refusals, which have tests of their own: no readings stand in them."""
OPEN = {"p1-limiter-without-unit": {"0-0:17.0.0"}}
"""Codes that must give no reading, where the case says so in words."""

_FOLDER = Path(os.environ.get("WATTLINE_FIELD") or Path(__file__).resolve().parents[5] / "shared" / "field") / "cases"
_ENDINGS = (".hex", ".txt", ".bin")


def _cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each file of each case that states readings, with the readings; none where the folder is not here."""
    for path in sorted(_FOLDER.glob("*.json")):
        case = json.loads(path.read_text())
        if path.stem in ELSEWHERE:
            continue
        file = next(path.with_suffix(ending).name for ending in _ENDINGS if path.with_suffix(ending).exists())
        yield file, case["right"]
        yield from case.get("must_stay", {}).items()


def _decoded(path: Path) -> dict[str, Any]:
    """What `wattline decode` gives for the one telegram of a file."""
    line, summary = decode_stream(undress(path.read_bytes()).data, "auto", catalogue())
    assert summary["summary"]["decoded"] == 1, line["error"]
    return line


@pytest.mark.parametrize(("file", "right"), [pytest.param(file, right, id=file) for file, right in _cases()])
def test_a_reported_telegram_gives_what_its_reporter_says_is_right(file: str, right: dict[str, Any]) -> None:
    """Each value, the time and the country of the product; a code that words say is left out gives no reading."""
    line = _decoded(_FOLDER / file)
    for name, value in right.items():
        if name == "at":
            assert line["at"] == value
        elif name == "country":
            (spec,) = (spec for spec in catalogue() if spec.ref == line["spec"])
            assert spec.product.countries == (value,)
        elif ":" in name and isinstance(value, int | float):
            assert line["values"].get(name) == value, name
    assert not OPEN.get(Path(file).stem, set()) & line["values"].keys()


def test_every_case_of_the_folder_has_its_test(field: Path) -> None:
    """A case that states no readings in a form to compare is named here, so that none is passed over in silence."""
    cases = {path.stem for path in (field / "cases").iterdir()}
    told = {path.stem for path in (field / "cases").glob("*.json")} | {"iec-line-habits"}
    readings = {file.rpartition(".")[0] for file, _ in _cases()}
    assert told <= readings | ELSEWHERE
    assert readings <= cases
