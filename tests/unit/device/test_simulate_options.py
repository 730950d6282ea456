"""`wattline simulate`: which links and numbers it takes."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from broker.errors import PermanentError
from device.simulator import SimulatedP1Meter
from device.simulator.__main__ import main


def _refused(*words: str) -> str:
    ended = CliRunner().invoke(main, list(words))
    assert isinstance(ended.exception, SystemExit)
    assert ended.exit_code in (1, 2)
    return ended.output


def test_a_file_in_the_way_is_kept(tmp_path: Path) -> None:
    """--link never takes the place of a file or a folder."""
    path = tmp_path / "letters"
    path.write_text("dear")
    assert f"{path} exists" in _refused("--link", str(path))
    assert path.read_text() == "dear"
    assert "folder" in _refused("--link", str(tmp_path))
    assert tmp_path.is_dir()


def test_a_link_that_cannot_be_made_is_named() -> None:
    """A folder that is missing gives a sentence."""
    assert "/nope/x" in _refused("--link", "/nope/x")


@pytest.mark.parametrize("option", ["--speed", "--interval"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "0", "-1"])
def test_numbers_must_be_finite_and_positive(option: str, value: str) -> None:
    """Anything else is refused by the option's name."""
    assert option in _refused(option, value, "--link", "/nope/x")


async def test_only_links_are_replaced_and_only_ones_own_is_removed(tmp_path: Path) -> None:
    """An old link is replaced; a meter whose name was taken over leaves the newer link alone when it goes."""
    link = tmp_path / "meter"
    link.symlink_to("/nowhere")
    async with SimulatedP1Meter(serial="E0044007133156018", link=link):
        async with SimulatedP1Meter(serial="E0044007133156019", link=link) as second:
            newer = link.readlink()
            assert str(newer) == second.line.slave_path
            link.unlink()
            link.symlink_to("/elsewhere")
        assert str(link.readlink()) == "/elsewhere"
    assert link.is_symlink()


async def test_a_meter_in_code_is_refused_a_files_name_too(tmp_path: Path) -> None:
    """The check stands in the simulator itself, not in the command only."""
    path = tmp_path / "letters"
    path.touch()
    with pytest.raises(PermanentError, match="no symbolic link"):
        SimulatedP1Meter(serial="E0044007133156018", link=path).plug()
    assert path.is_file()
