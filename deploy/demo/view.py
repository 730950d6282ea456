"""How the demo looks: a live table on a terminal, lines elsewhere."""

import io
import re
from pathlib import Path
from typing import Self

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deploy.demo.state import State
from deploy.demo.witness import Witness

SHOWN = ("1-0:16.7.0", "1-0:1.7.0", "1-0:1.8.0", "1-0:1.8.1", "0-1:24.2.1")
LINES_EVERY_S = 5.0


class View:
    """Shows the state; use it as a context manager."""

    def __init__(self, addresses: list[tuple[str, str]]) -> None:
        self._console = Console(stderr=True)
        self._addresses = addresses
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._said_at = 0.0
        self._said: set[str] = set()

    def __enter__(self) -> Self:
        for name, address in self._addresses:
            self._console.print(f"  {name:<12} {address}", highlight=False, soft_wrap=True)
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(text, highlight=False, soft_wrap=True)

    @staticmethod
    def picture(path: Path, state: State, witness: Witness) -> None:
        """Write what a terminal shows as SVG, without the fonts that rich would load from afar."""
        console = Console(record=True, file=io.StringIO(), width=150)
        console.print(_table(state, witness), Text(_summary(state, witness)))
        plain = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
        console.save_svg(str(path), title="make demo", code_format=plain, unique_id="demo")

    def show(self, state: State, witness: Witness) -> None:
        """Show the state: at each call on a terminal, every few seconds elsewhere."""
        if self._live is not None:
            self._live.update(Group(_table(state, witness), Text(_summary(state, witness))), refresh=True)
        elif state.looked_at - self._said_at >= LINES_EVERY_S:
            self._said_at = state.looked_at
            for line in state.meters():
                if line not in self._said:
                    self._said.add(line)
                    self.say(f"· {line}")
            self.say(state.line(witness))


def _table(state: State, witness: Witness) -> Table:
    table = Table("device", "state", "meter", "protocol", "product", "spec", "last values", title="Wattline")
    for row in state.rows:
        values = witness.last.get(row["key"], {}) if row["key"] else {}
        last = "  ".join(f"{code} {values[code]:,.3f}" for code in SHOWN if code in values)
        product = " ".join(part for part in (row["manufacturer"], row["product"]) if part)
        table.add_row(
            row["device"],
            "online" if row["online"] else "offline",
            row["key"] or "looking",
            row["protocol"] or "",
            product,
            row["spec"] or "",
            last,
        )
    return table


def _summary(state: State, witness: Witness) -> str:
    first = "none yet" if state.first_reading_s is None else f"after {state.first_reading_s:.1f} s"
    return (
        f"first reading {first} · published {len(witness.published)} · stored {state.stored}"
        f"{f' · made of kept frames {state.decoded}' if state.decoded else ''}"
        f" · {state.rate:.1f} readings/s · quarantined {state.quarantined}\n{state.note}\nCtrl-C ends the demo"
    )
