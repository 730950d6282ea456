"""Options that the commands share."""

import math
from pathlib import Path
from typing import Any

import click


class FiniteRange(click.FloatRange):
    """A number in a range; unlike click's own it refuses nan, which compares as false with every bound."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the number; fails as click's own does."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return number


def passphrase_in(file: Path | None) -> bytes | None:
    """What the file of --passphrase-file holds, None where none is named; fails as click does where it is empty."""
    if file is None:
        return None
    given = file.read_bytes().strip()
    if not given:
        raise click.BadParameter(f"{file} is empty: put a passphrase into it", param_hint="--passphrase-file")
    return given
