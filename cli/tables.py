"""What `wattline spec` shows a person."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from broker.contract.obis import name_of
from broker.wording import counted
from gateway.wording import when

NARROWEST = 120
"""Columns where no terminal says how many there are."""


def console() -> Console:
    """The terminal's width, and enough room in a pipe."""
    found = Console()
    return found if found.is_terminal else Console(width=NARROWEST)


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """A plain table."""
    made = Table(box=None, pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def shown(value: Any) -> str:
    """A value in a cell; texts come from documents and lines, so nothing in them reaches the terminal as a command."""
    text = "" if value is None else str(value)
    return escape("".join(letter if letter.isprintable() else "�" for letter in text))


def print_specs(specs: list[dict[str, Any]]) -> None:
    """A line for each spec."""
    made = table("spec", "state", "generic", "meters", "protocol", "manufacturer", "product", right=("meters",))
    for one in specs:
        generic = "generic" if one["generic"] else ""
        row = (f"{one['spec']}@{one['version']}", one["state"], generic, one["meters"])
        made.add_row(*(shown(value) for value in (*row, one["protocol"], one["manufacturer"], one["product"])))
    console().print(made)


def print_spec(one: dict[str, Any]) -> None:
    """What is known of one spec."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    made.add_row("spec", shown(f"{one['spec']}@{one['version']}"))
    names = ("state", "audience", "generic", "meters", "protocol", "manufacturer", "product", "author", "reason",
             "published_at", "deprecated_at", "deprecated_by", "deprecated_why", "sha256")  # fmt: skip
    for name in names:
        if one[name] not in (None, "", False):
            made.add_row(name, when(one[name]) if name.endswith("_at") else shown(one[name]))
    document = one["document"]
    made.add_row("source", shown("; ".join(document["source"])))
    made.add_row("goldens", shown("; ".join(golden["name"] for golden in document.get("goldens", ()))))
    console().print(made)


def print_report(report: dict[str, Any]) -> None:
    """Whether a document may be published, and if not, why."""
    name = f"{report['spec']}@{report['version']}" if report["spec"] else "the document"
    out = console()
    for golden in report["goldens_unchecked"]:
        out.print(shown(f"golden {golden!r} not checked: its capture is not at hand"))
    if report["valid"]:
        out.print(shown(f"{name}: good, {counted(report['goldens_checked'], 'golden')} checked"), highlight=False)
        return
    shown_apart = {one["field"] for one in report["differences"]}
    for fault in report["errors"]:
        if fault["field"] not in shown_apart:
            fix = f"; {fault['fix']}" if fault["fix"] else ""
            out.print(shown(f"{fault['field']}: {fault['reason']}{fix}"), highlight=False)
    if report["differences"]:
        made = table("golden", "field", "expected", "got")
        for one in report["differences"]:
            made.add_row(*(shown(one[column]) for column in ("golden", "field", "expected", "got")))
        out.print(made)
    out.print(shown(f"{name}: publishing is refused for {counted(len(report['errors']), 'reason')}"), highlight=False)


def print_change(change: dict[str, Any]) -> None:
    """What a change of state did."""
    name = f"{change['spec']}@{change['version']}"
    already = "" if change["changed"] else ", as before"
    whom = f" for {change['audience']}" if change["state"] == "canary" else ""
    out = console()
    out.print(
        shown(f"{name}: {change['state']}{whom}{already}; {counted(change['devices_changed'], 'device')} changed, "
              f"reads {counted(change['meters'], 'meter')}"), highlight=False
    )  # fmt: skip
    if change.get("job"):
        out.print(shown(f"kept frames are decoded again: wattline job watch {change['job']}"), highlight=False)
    if change["comparison"] is not None:
        print_comparison(change["comparison"])
    report = change["report"]
    if change["state"] == "draft" and report is not None and not report["valid"]:
        print_report(report)


def print_unknown(groups: list[dict[str, Any]], ports: list[dict[str, Any]]) -> None:
    """A line for each group of unknown meters, what it lacks where that is known, and ports that are not read."""
    out = console()
    columns = ("group", "protocol", "manufacturer", "family", "devices", "meters", "frames", "since")
    made = table(*columns, "example", right=("devices", "meters", "frames"))
    for one in groups:
        # to the minute, so that the key at the end of the line stays whole
        row = {**one, "since": when(one["since"], seconds=False)}
        made.add_row(*(shown(row[column]) for column in columns), shown(one["examples"][0]))
    out.print(made if groups else "no unknown products: every meter is read by a spec of its own")
    for one in groups:
        if one["without_unit"]:
            lacking = shown(", ".join(one["without_unit"]))
            out.print(
                f"{one['group']}: no unit is on the wire for {lacking}, so nothing reads that; a draft guesses it:"
            )
            out.print(f"    wattline spec draft --from-frames {one['group']}", highlight=False)
    for one in ports:
        out.print(shown(f"{one['device']} {one['port']}: {one['what']}"), highlight=False)


def print_comparison(found: dict[str, Any]) -> None:
    """Where two versions of a spec differ over the frames that are kept."""
    out = console()
    since = f" since {when(found['since'])}" if found["since"] else ""
    frames = counted(found["frames"], "frame")
    what = f"{found['new']} and {found['old']} over {frames} of {counted(found['meters'], 'meter')}{since}"
    counts = f"{found['same']} the same, {found['different']} different, {found['unreadable']} unreadable"
    out.print(shown(f"{what}: {counts}"), highlight=False)
    for count, words in ((found["only_old"], "no longer read"), (found["only_new"], "read for the first time")):
        if count:
            out.print(shown(f"{counted(count, 'frame')} {words}"), highlight=False)
    if found["codes"]:
        made = table("reading", "quantity", "frames", "meters", right=("frames", "meters"))
        for one in found["codes"]:
            cells = (one["code"], name_of(one["code"]), one["frames"], one["meters"])
            made.add_row(*(shown(cell) for cell in cells))
        out.print(made)
        made = table("frame", "meter", "at", "reading", found["old"], found["new"], right=("frame",))
        for one in found["differences"]:
            sides = ("no reading" if one[side] is None else one[side] for side in ("old", "new"))
            made.add_row(
                *(shown(value) for value in (one["frame"], one["meter"], when(one["at"]), one["what"], *sides))
            )
        out.print(made)
