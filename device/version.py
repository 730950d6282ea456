"""Which version of Wattline this is."""

import functools
import sys
from pathlib import Path
from typing import Final

_BEGIN: Final = "wattline-"
_END: Final = ".dist-info"


@functools.cache
def software_version() -> str:
    """The version of the installed distribution, 'unknown' where it is none.

    By the name of its folder (PEP 376, PEP 427) where one entry of the path has one alone: `importlib.metadata`, which
    reads it from within, is 1.5 MiB for one word.
    """
    for place in sys.path:
        try:
            found = [
                path.name for path in Path(place).iterdir() if path.name.startswith(_BEGIN) and path.suffix == _END
            ]
        except OSError:
            continue
        if len(found) == 1:
            return found[0].removeprefix(_BEGIN).removesuffix(_END)
        if found:
            break
    return _by_metadata()


def _by_metadata() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - seldom needed, and large

    try:
        return version("wattline")
    except PackageNotFoundError:
        return "unknown"
