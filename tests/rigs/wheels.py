"""Wheels made for a test (binary distribution format, PyPA)."""

import hashlib
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

from device.releases.document import ReleasedWheel

COMMAND = "[console_scripts]\nwattline = wattline_stub:main\n"


def wheel_of(
    release: str, folder: Path, body: str = "print(RELEASE)", command: str = COMMAND, name: str = "wattline"
) -> Path:
    """A wheel with a module NAME_stub, which the command `wattline` runs: this body."""
    info, data = f"{name}-{release}.dist-info", f"{name}-{release}.data"
    files = {
        f"{name}_stub.py": f"import sys\nRELEASE = '{release}'\n\n\ndef main():\n    {body}\n",
        f"{data}/purelib/{name}_beside.py": "HERE = True\n",
        f"{data}/scripts/other": "#!python\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {release}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **({f"{info}/entry_points.txt": command} if command else {}),
    }
    record = []
    for file, text in files.items():
        digest = urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record.append(f"{file},sha256={digest},{len(text)}")
    path = folder / f"{name}-{release}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            # the same bytes whenever it is made
            archive.writestr(zipfile.ZipInfo(file), text)
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), "\n".join([*record, f"{info}/RECORD,,"]) + "\n")
    return path


def stored(path: Path, folder: Path) -> ReleasedWheel:
    """A wheel moved to where files stand by their content."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    path.replace(folder / digest)
    return ReleasedWheel(file=path.name, sha256=digest, size=len(data))
