"""What `wattline job` shows a person."""

from collections.abc import Iterator
from typing import Any, Final

from rich.table import Table

from cli.tables import console, shown, table
from gateway.wording import when

BAR: Final = 20
"""Cells of a progress bar in a table."""
TIMES: Final = ("since", "created_at", "started_at", "not_before", "finished_at")
TOTALS: Final = ("frames", "undecodable", "readings", "repeated", "refused")


def print_jobs(jobs: list[dict[str, Any]]) -> None:
    """A line for each job."""
    made = table("job", "kind", "state", "of", "progress", "done", "", "readings", "created", "author",
                 right=("job", "done", "readings"))  # fmt: skip
    for one in jobs:
        created = when(one["created_at"], seconds=False)
        cells = (one["job"], one["kind"], _state(one), one["spec"] or asked(one), bar(one), f"{one['done']:,}")
        made.add_row(*(shown(value) for value in (*cells, one["unit"], one["readings"] or "", created, one["author"])))
    console().print(made if jobs else "no jobs")


def print_job(one: dict[str, Any]) -> None:
    """What is known of one job."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    names = ("job", "kind", "state", "spec", "meters", "since", "author", "reason", "schedule", *TIMES[1:])
    for name in names:
        if one[name] is not None and not (name in ("spec", "meters") and not one["spec"]):
            made.add_row(
                name, when(one[name]) if name in TIMES else shown(_state(one) if name == "state" else one[name])
            )
    for name, value in one["arguments"].items():
        if value is not None:
            made.add_row(f"  {name}", shown(value))
    made.add_row("progress", shown(line(one)))
    if one["attempts"] > 1:
        made.add_row("attempts", shown(one["attempts"]))
    if one["failures"]:
        made.add_row("failures", shown(one["failures"]))
    for name, text in _result(one["result"]):
        made.add_row(name, shown(text))
    for name in ("note", "error"):
        if one[name]:
            made.add_row(name, shown(one[name]))
    console().print(made, highlight=False)


def _result(result: Any) -> Iterator[tuple[str, Any]]:
    """The figures of a result, each with its name; of several under one name each is a line."""
    for name, value in result.items() if isinstance(result, dict) else ():
        several = [f"{key}: {one}" for key, one in value.items()] if isinstance(value, dict) else value
        for number, one in enumerate(several if isinstance(several, list) else [several]):
            yield "" if number else f"  {name}", one


def _state(one: dict[str, Any]) -> str:
    """A job's state, and whether it left out some of what it was to do."""
    result = one["result"] if isinstance(one["result"], dict) else {}
    left_out = one["state"] == "done" and (result.get("quarantined") or result.get("faulty"))
    return f"{one['state']}, in part" if left_out else str(one["state"])


def line(one: dict[str, Any]) -> str:
    """How far a job is, in a line."""
    if not one["spec"]:
        return f"{bar(one)}  {one['done']:,} of {_total(one['total'])} {one['unit']}".rstrip()
    total = _total(one["total_frames"])
    rest = ", ".join(f"{one[name]:,} {name}" for name in TOTALS[1:] if one[name])
    counts = f"{one['frames']:,} of {total} {'frame' if total == '1' else 'frames'}" + (f", {rest}" if rest else "")
    return f"{bar(one)}  {counts}" + (f", {speed(one)} frames/s" if speed(one) else "")


def asked(one: dict[str, Any]) -> str:
    """What a job was asked for, in a few words."""
    return " ".join(f"{name}={value}" for name, value in one["arguments"].items() if value is not None)[:60]


def print_kinds(kinds: list[dict[str, Any]]) -> None:
    """A line for each kind, and one for each thing that it may be asked for."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for one in kinds:
        made.add_row(shown(one["kind"]), shown(one["says"]))
        if one["by_hand"]:
            must = one["arguments"].get("required", ())
            for name, about in one["arguments"].get("properties", {}).items():
                need = "" if name in must else " (may be left out)"
                made.add_row(shown(f"  {name}="), shown(f"{about.get('description', '')}{need}"))
    console().print(made, highlight=False)


def _total(total: int | None) -> str:
    return "?" if total is None else f"{total:,}"


def bar(one: dict[str, Any]) -> str:
    """A progress bar with its percentage."""
    done = one["progress"] or 0.0
    return "█" * int(done * BAR) + "·" * (BAR - int(done * BAR)) + f" {int(done * 100):3d} %"


def speed(one: dict[str, Any]) -> str:
    """Frames a second, '' before there is any."""
    return f"{one['frames_s']:,.0f}" if one["frames_s"] else ""
