"""Wheels unpacked into an environment (binary distribution format, PyPA), by the standard library alone.

An environment that needed pip could be built by no updater whose own environment has lost it.
"""

import shlex
import zipfile
import zlib
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final

from broker.errors import ContractError

OURS: Final = "wattline"
_NO_WHEEL: Final = (
    zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError, ValueError,
)  # fmt: skip
"""What zipfile raises of what is none, or is damaged."""
_LIBRARIES: Final = ("purelib", "platlib")
_COMMAND: Final = """#!/bin/sh
'''exec' {python} "$0" "$@"
' '''
import sys
from {module} import {function}
sys.exit({function}())
"""
"""Read by the shell first, as the kernel takes no long path behind #!; Python sees a string."""


def unpack(wheel: Path, name: str, site: Path) -> None:
    """Put a wheel's modules where the interpreter finds them. Raises ContractError where it is none, OSError.

    Scripts, headers and data files are left: nothing of ours uses them.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                top, _, rest = member.filename.partition("/")
                if top.endswith(".data"):
                    kind, _, rest = rest.partition("/")
                    if kind not in _LIBRARIES or not rest:
                        continue
                    member.filename = rest
                # extract takes names that lead out of the folder apart, and puts them into it
                archive.extract(member, site)
    except _NO_WHEEL as error:
        raise ContractError(f"{name} is no wheel: {error}", field="release") from error


def put_command(site: Path, python: Path, release: str) -> Path:
    """Make the command `wattline` beside the interpreter. Raises ContractError where it is another version's."""
    ours = _ours(site)
    if ours is None:
        raise ContractError(f"no wheel of {OURS} is among them", field="release")
    if ours.version != release:
        raise ContractError(f"its wheel says that it is {ours.version}, not {release}", field="release")
    entries = ours.entry_points.select(group="console_scripts", name=OURS)
    for entry in entries:
        command = python.with_name(OURS)
        text = _COMMAND.format(python=shlex.quote(str(python)), module=entry.module, function=entry.attr)
        command.write_text(text)
        command.chmod(0o755)
        return command
    raise ContractError(f"its wheel has no command {OURS}", field="release")


def _ours(site: Path) -> Distribution | None:
    return next((one for one in distributions(path=[str(site)]) if one.name == OURS), None)
