"""What `wattline spec rollout` and `wattline spec rollouts` show a person."""

from typing import Any, Final

from rich.table import Table

from broker.wording import counted
from cli.tables import console, shown, table
from gateway.wording import when

SHARES: Final = ("undecodable", "refused", "implausible", "silent")
WIDE: Final = 160
"""Columns from which on a line has room for the shares."""
SIDES: Final = ("now", "before", "rest")


def print_rollouts(found: list[dict[str, Any]]) -> None:
    """A line for each; where there is room for them also the shares, each as now/before in percent."""
    out = console()
    names = SHARES if out.width >= WIDE else ()
    columns = ("spec", "state", "audience", "devices", "meters", "verdict")
    made = table(*columns, "telegrams", *(f"{name} %" for name in names), "since",
                 right=("devices", "meters", "telegrams"))  # fmt: skip
    for one in found:
        figures = one["figures"]
        row = (f"{one['spec']}@{one['version']}", one["state"], _brief(one["audience"]), one["devices"], one["meters"])
        cells = (*row, figures.get("verdict", ""), figures.get("now", {}).get("telegrams", ""))
        shares = (_pair(figures, f"{name}_percent") for name in names)
        made.add_row(*(shown(cell) for cell in (*cells, *shares, when(one["started_at"], seconds=False))))
    out.print(made if found else "no spec version is or was for a part of the fleet")
    if found and not names:
        out.print("how each fares: wattline spec rollout NAME@VERSION", highlight=False)


def print_rollout(one: dict[str, Any]) -> None:
    """All that is known of one: state, who has it, figures against limits, steps."""
    out = console()
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    figures = one["figures"]
    more = len(one["device_names"]) < one["devices"]
    facts = {
        "spec": f"{one['spec']}@{one['version']}",
        "state": f"{one['state']}, {figures.get('verdict', 'not judged yet')}",
        "audience": one["audience"],
        "meters": f"{one['meters']} of {counted(one['devices'], 'device')}",
        "devices": ", ".join(one["device_names"]) + (", ..." if more else ""),
        "judged": when(one["judged_at"]),
        "reasons": "; ".join(figures.get("reasons", ())),
        "implausible": "; ".join(figures.get("implausible", ())),
        "silent": ", ".join(figures.get("silent", ())),
    }
    for name, value in facts.items():
        if value:
            made.add_row(name, shown(value))
    out.print(made)
    if figures.get("now"):
        made = table("figure", *SIDES, "limit", right=(*SIDES, "limit"))
        for name in ("meters", "reporting", "telegrams", *(f"{name}_percent" for name in SHARES)):
            sides = (figures[side].get(name) for side in SIDES)
            made.add_row(shown(name), *(shown(value) for value in sides), shown(one["limits"].get(name)))
        out.print(made)
    made = table("at", "step", "audience", "author", "reason")
    for step in one["steps"]:
        cells = (
            when(step["at"]),
            step["state"],
            _brief(step["audience"]),
            step["author"],
            step["reason"],
        )
        made.add_row(*(shown(cell) for cell in cells))
    out.print(made)


def _pair(figures: dict[str, Any], name: str) -> str:
    now, before = (figures.get(side, {}).get(name) for side in ("now", "before"))
    if now is None:
        return ""
    return f"{now:g}" if before is None else f"{now:g}/{before:g}"


def _brief(audience: str) -> str:
    return audience if len(audience) <= 40 else f"{audience[:37]}..."
