"""What detection writes down of a port."""

from pathlib import Path

import pytest

from broker.errors import PermanentError
from device.hardware import device_id
from device.ports.discovery import find_ports


def test_the_device_id_is_bound_to_the_hardware(tmp_path: Path) -> None:
    """A Pi's serial number names it; elsewhere a hash of the machine id, which itself stays inside; else it refuses."""
    serial, machine = tmp_path / "serial-number", tmp_path / "machine-id"
    with pytest.raises(PermanentError, match="WATTLINE_DEVICE_DEVICE_ID"):
        device_id(serial, machine)
    machine.write_text("0123456789abcdef\n")
    assert device_id(serial, machine).startswith("machine-")
    assert "0123456789abcdef" not in device_id(serial, machine)
    serial.write_bytes(b"00000000a3f1c2d4\0")
    assert device_id(serial, machine) == "pi-a3f1c2d4"


def test_a_port_with_a_lasting_name_goes_by_it(tmp_path: Path) -> None:
    """An adapter's by-id link stands for its ttyUSB; ports without a link go by their own name."""
    (tmp_path / "serial" / "by-id").mkdir(parents=True)
    for name in ("ttyUSB0", "ttyUSB1", "ttyS0", "ttyAMA0"):
        (tmp_path / name).touch()
    link = tmp_path / "serial" / "by-id" / "usb-FTDI_1"
    link.symlink_to("../../ttyUSB1")
    assert find_ports(tmp_path) == [str(link), str(tmp_path / "ttyUSB0"), str(tmp_path / "ttyAMA0")]
