"""All parsers, entered by importing them."""

from tests.fuzz import ahead, contract, desk, files, wires
from tests.fuzz.registry import TARGETS

__all__ = ["TARGETS", "ahead", "contract", "desk", "files", "wires"]
