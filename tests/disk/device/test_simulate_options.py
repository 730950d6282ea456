"""`wattline simulate`: which links and numbers it takes."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from broker.errors import PermanentError
from device.simulator import SimulatedMbusMeter, SimulatedP1Meter, SimulatedSmlMeter
from device.simulator.__main__ import main
from device.simulator.products import PRODUCTS
from meters.specs.catalogue import catalogue
from meters.specs.identify import Identifier
from meters.specs.match import best
from meters.telegram import Frame
from meters.wires.readers import AnyFramer, parse


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


@pytest.mark.parametrize(
    ("protocol", "serial", "wanted"),
    [
        ("sml", "1EMH0012345678", "ten digits"),
        ("sml", "12345678901", "ten digits"),
        ("sml", "E0044007133156018", "ten digits"),
        ("sml", "\u0661\u0662", "ten digits"),
        ("p1", "a b", "48 printable"),
        ("p1", "x" * 49, "48 printable"),
        ("p1", "zähler", "48 printable"),
        ("iec62056-21", "12(34)", "32 letters and digits"),
        ("iec62056-21", "1" * 33, "32 letters and digits"),
        ("unknown", "12*34", "32 letters and digits"),
        ("unknown", "0000", "not zeros only"),
        ("p1", "", "48 printable"),
        ("sml", "", "ten digits"),
        ("dlms", "KFM1234", "8 to 16 digits"),
    ],
)
def test_a_serial_that_the_protocol_cannot_carry_is_refused(protocol: str, serial: str, wanted: str) -> None:
    """By name, with what it takes; before, an SML meter sent nothing and said nothing."""
    told = _refused("--protocol", protocol, "--serial", serial, "--link", "/nope/x")
    assert serial in told
    assert wanted in told


def test_a_serial_as_on_the_type_plate() -> None:
    """An SML meter of this maker is known by its whole DIN 43863-5 id, too."""
    assert SimulatedSmlMeter(serial="1ISK0067362659").serial == "0067362659"
    assert SimulatedSmlMeter(serial="1 ISK 0067362659").serial == "0067362659"


def test_a_shorter_serial_gets_zeros_in_front() -> None:
    """As docs/DEVICE.md has it: M-Bus carries up to eight digits."""
    assert SimulatedMbusMeter(serial="4711").serial == "00004711"


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_product_is_read_by_the_spec_of_its_name(product: str) -> None:
    """It says who it is, and its spec says how its load profile is read."""
    framer = AnyFramer(bare=False)
    meter = PRODUCTS[product].make()
    readout = f"/{meter.identification}\r\n".encode() + bytes(octet & 0x7F for octet in meter.telegram())
    frames = [item for item in (*framer.feed(readout), *framer.finish()) if isinstance(item, Frame)]
    match = best(catalogue(), Identifier().add(parse(frames[0])))
    assert match is not None
    assert match.spec.name == product
    assert match.spec.history is not None


def test_protocol_and_product_exclude_each_other() -> None:
    """A product says its protocol."""
    assert "leave --protocol out" in _refused("--protocol", "p1", "--product", "emh-lzqj")
    assert "emh-lzqj" in _refused("--product", "emh-nothing")


async def test_a_meter_that_falls_silent_says_why(tmp_path: Path) -> None:
    """What ends the task that speaks reaches whoever waits for it."""

    class Broken(SimulatedP1Meter):
        def _encode(self) -> bytes:
            raise RuntimeError("no ink")

    meter = Broken(serial="E0044007133156018", interval_s=0.1)
    meter.plug()
    with pytest.raises(RuntimeError, match="no ink"):
        await meter.speaks()
    with pytest.raises(RuntimeError, match="no ink"):
        await meter.unplug()


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
