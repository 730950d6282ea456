"""Mappings as sources have them: each gives what its goldens say."""

from pathlib import Path

import pytest

from broker.errors import ContractError
from meters.mappings.load import check, load_mapping

FOLDER = Path(__file__).parents[3] / "data" / "mappings"
FILES = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_mapping_gives_what_its_goldens_say(file: Path) -> None:
    mapping = load_mapping(file.read_text(), origin=file.name, trusted=True)
    assert mapping.goldens
    assert [str(one) for one in check(mapping)] == []


def test_a_mapping_whose_golden_fails_is_refused_and_says_where() -> None:
    text = (FOLDER / "epoch-ms.yaml").read_text().replace('"1.7505"', '"1.75"')
    with pytest.raises(ContractError) as refused:
        load_mapping(text, origin="api")
    assert "two sites: readings of SITE:a1 at 2025-11-26T09:01:00Z, 1-0:1.7.0: expected 1.75, got 1.7505" in str(
        refused.value
    )
