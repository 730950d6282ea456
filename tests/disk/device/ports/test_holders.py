"""Who holds a port, by what the kernel tells."""

import os
from pathlib import Path

from device.ports.holders import holders


def test_only_other_programs_with_this_very_device_are_named(tmp_path: Path) -> None:
    """By the device's number, whatever name they opened it by; files, other devices and ourselves do not count."""
    pid = 2**22 + 1
    for number, target in ((pid, "/dev/zero"), (pid + 1, "/dev/null"), (os.getpid(), "/dev/zero")):
        folder = tmp_path / str(number)
        (folder / "fd").mkdir(parents=True)
        (folder / "fd" / "3").symlink_to(target)
        (folder / "fd" / "4").symlink_to("/gone")
        (folder / "comm").write_text("minicom\n")
    (tmp_path / "self").mkdir()
    assert holders("/dev/zero", tmp_path) == [f"minicom (pid {pid})"]
    assert holders(str(tmp_path / "self"), tmp_path) == []
    assert holders("/nope", tmp_path) == []
