"""Small folders to make layers of, in forms that file systems give: order, owners, modes, times and links."""

from pathlib import Path


def lay_folder(folder: Path, names: tuple[str, ...] = ("b", "a")) -> Path:
    """A folder with two files written in this order, a program, an empty folder and a link out of it."""
    (folder / "usr" / "bin").mkdir(parents=True)
    (folder / "tmp").mkdir()
    for name in names:
        (folder / "usr" / name).write_text(f"this is {name}\n" * 100)
    program = folder / "usr" / "bin" / "wattline"
    program.write_text("#!/usr/bin/python3\n")
    program.chmod(0o750)
    (folder / "usr" / "bin" / "python3").symlink_to("/opt/elsewhere/python3")
    return folder
