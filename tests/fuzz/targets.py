"""All parsers, entered by importing them."""

from tests.fuzz import contract, desk, files, wires
from tests.fuzz.registry import TARGETS

__all__ = ["TARGETS", "contract", "desk", "files", "wires"]
