"""Option types that the commands share."""

import math
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
