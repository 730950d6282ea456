"""The commands of our pages: blocks of code out of Markdown, to be run as a reader runs them."""

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def section(page: str, heading: str, until: str = "") -> str:
    """The text of a page below a heading of the second level, up to the next one or to these words."""
    text = (TOP / page).read_text("utf-8")
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no section {heading!r}"
    before, cut, _ = found[1].partition(until) if until else (found[1], "cut", "")
    assert cut, f"{page}, {heading}: no {until!r}"
    return before


def blocks(text: str) -> list[str]:
    """Its blocks of commands; one with a language behind its fence is for reading only."""
    found = _BLOCK.findall(text)
    assert found, "no block of commands"
    return found


def commands(block: str) -> list[str]:
    """A block's commands without what is said behind them."""
    return [line for line in (re.sub(r"\s+#( .*)?$", "", line).strip() for line in block.splitlines()) if line]
