"""All parsers, entered by importing them."""

from tests.fuzz import ahead, asked, contract, desk, files, wires
from tests.fuzz.registry import TARGETS

__all__ = ["TARGETS", "ahead", "asked", "contract", "desk", "files", "wires"]
