"""No room of the house is crowded."""

import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
MOST_MODULES: Final = 25


def test_no_room_is_crowded() -> None:
    """More than some 25 files in a folder want rooms by subject."""
    folders = {file.parent for package in PACKAGES for file in (ROOT / package).rglob("*.py")}
    crowded = {str(one.relative_to(ROOT)): len(list(one.glob("*.py"))) for one in folders}
    assert {one: count for one, count in crowded.items() if count > MOST_MODULES} == {}
