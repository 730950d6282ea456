"""What `wattline job` shows a person."""

from typing import Any, Final

from rich.table import Table

from cli.tables import console, shown, table
from gateway.wording import when

BAR: Final = 20
"""Cells of a progress bar in a table."""
TIMES: Final = ("since", "created_at", "started_at", "finished_at")
TOTALS: Final = ("frames", "undecodable", "readings", "repeated", "refused")


def print_jobs(jobs: list[dict[str, Any]]) -> None:
    """A line for each job."""
    made = table("job", "state", "spec", "meters", "progress", "frames", "readings", "frames/s", "created", "author",
                 right=("job", "meters", "frames", "readings", "frames/s"))  # fmt: skip
    for one in jobs:
        created = when(one["created_at"], seconds=False)
        cells = (one["job"], one["state"], one["spec"], one["meters"], bar(one), one["frames"], one["readings"])
        made.add_row(*(shown(value) for value in (*cells, speed(one), created, one["author"])))
    console().print(made if jobs else "no jobs")


def print_job(one: dict[str, Any]) -> None:
    """What is known of one job."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    names = ("job", "state", "spec", "meters", "since", "author", "reason", *TIMES[1:])
    for name in names:
        if one[name] is not None:
            made.add_row(name, when(one[name]) if name in TIMES else shown(one[name]))
    made.add_row("progress", shown(line(one)))
    if one["attempts"] > 1:
        made.add_row("attempts", shown(one["attempts"]))
    for name in ("note", "error"):
        if one[name]:
            made.add_row(name, shown(one[name]))
    console().print(made, highlight=False)


def line(one: dict[str, Any]) -> str:
    """How far a job is, in a line."""
    total = "?" if one["total_frames"] is None else f"{one['total_frames']:,}"
    rest = ", ".join(f"{one[name]:,} {name}" for name in TOTALS[1:] if one[name])
    counts = f"{one['frames']:,} of {total} {'frame' if total == '1' else 'frames'}" + (f", {rest}" if rest else "")
    return f"{bar(one)}  {counts}" + (f", {speed(one)} frames/s" if speed(one) else "")


def bar(one: dict[str, Any]) -> str:
    """A progress bar with its percentage."""
    done = one["progress"] or 0.0
    return "█" * int(done * BAR) + "·" * (BAR - int(done * BAR)) + f" {int(done * 100):3d} %"


def speed(one: dict[str, Any]) -> str:
    """Frames a second, '' before there is any."""
    return f"{one['frames_s']:,.0f}" if one["frames_s"] else ""
