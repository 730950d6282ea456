"""Versions of releases: three numbers, and perhaps what comes before the release of these."""

import re
from typing import Final

from broker.errors import ContractError

_VERSION: Final = re.compile(r"^(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:(a|b|rc)(\d{1,6}))?$")
Order = tuple[int, int, int, str, int]
_FINAL: Final = ("z", 0)


def parsed(version: str) -> Order:
    """A version as something to compare, a release above all that came before it (PEP 440). Raises ContractError."""
    found = _VERSION.match(version)
    if found is None:
        raise ContractError(
            f"{version[:40]!r} is no version", field="VERSION", fix="write three numbers, as 0.3.0, or 0.3.0rc1"
        )
    major, minor, patch, stage, number = found.groups()
    before = (stage, int(number)) if stage else _FINAL
    return (int(major), int(minor), int(patch), *before)
