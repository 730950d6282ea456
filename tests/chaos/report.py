"""The result as JSON and as a table for people."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from tests.chaos.all import Result

BEGIN: Final = "<!-- chaos -->"
END: Final = "<!-- /chaos -->"
_SUMS: Final = ("given", "stored", "lost", "repeated", "wrong", "quarantined")


def row(result: Result) -> dict[str, Any]:
    """One fault's runs together: sums, and the longest silence and recovery of any of them."""
    verdicts = result.verdicts
    detail: Counter[str] = Counter()
    for verdict in verdicts:
        detail.update({name: value for name, value in verdict.detail.items() if isinstance(value, int)})
    return {
        "name": result.fault.name,
        "text": result.fault.text,
        "runs": len(verdicts),
        **{name: sum(getattr(verdict, name) for verdict in verdicts) for name in _SUMS},
        "longest_silence_s": max((verdict.longest_silence_s for verdict in verdicts), default=0.0),
        "recovery_s": max((verdict.recovery_s for verdict in verdicts), default=0.0),
        "not_drained": sum(not verdict.drained for verdict in verdicts),
        "broken": [words for verdict in verdicts for words in verdict.broken],
        "detail": {name: detail[name] for name in sorted(detail)},
        "failure": result.failure,
    }


def document(results: list[Result], seed: int, runs: int) -> dict[str, Any]:
    """The report of what has been done so far: good once every fault had all its runs and each of them was good."""
    good = all(result.good and len(result.verdicts) == runs for result in results)
    begun = [row(result) for result in results if result.verdicts or result.failure]
    return {"seed": seed, "runs": runs, "good": good, "faults": begun}


def write(path: Path, report: dict[str, Any]) -> None:
    """Put the report there in one step, so that whoever aborts the run finds a whole one."""
    growing = path.with_name(f"{path.name}.growing")
    growing.write_text(json.dumps(report, indent=1) + "\n")
    growing.replace(path)


def summed(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """One report of several: the runs of each fault together, faults in the order in which they first appear."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for report in reports:
        for one in report["faults"]:
            rows.setdefault(one["name"], []).append(one)
    return {
        "seeds": [report["seed"] for report in reports],
        "good": all(report["good"] for report in reports),
        "faults": [_together(some) for some in rows.values()],
    }


def _together(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The rows of one fault as one."""
    detail: Counter[str] = Counter()
    for one in rows:
        detail.update(one["detail"])
    return {
        "name": rows[-1]["name"],
        "text": rows[-1]["text"],
        **{name: sum(one[name] for one in rows) for name in ("runs", *_SUMS, "not_drained")},
        **{name: max(one[name] for one in rows) for name in ("longest_silence_s", "recovery_s")},
        "broken": [words for one in rows for words in one["broken"]],
        "detail": {name: detail[name] for name in sorted(detail)},
        "failure": "\n".join(one["failure"] for one in rows if one["failure"]),
    }


def complaints(report: dict[str, Any]) -> Iterator[str]:
    """What the table for people has no column for: runs that were not made, not drained, or broke another promise."""
    for one in report["faults"]:
        if one["failure"]:
            yield f"{one['name']}: not all runs were made: {one['failure'].strip().splitlines()[-1]}"
        if one["not_drained"]:
            yield f"{one['name']}: {one['not_drained']} runs were not drained"
        yield from (f"{one['name']}: {words}" for words in one["broken"])


def table(results: list[Result]) -> str:
    """For people: a line a fault."""
    head = f"{'fault':42}{'runs':>5}{'given':>7}{'stored':>7}{'lost':>5}{'rep.':>5}{'wrong':>6}{'quar.':>6}"
    lines = [f"{head}{'silence':>9}{'recovery':>9}"]
    for result in results:
        found = row(result)
        remark = "  not done" if result.failure else "  not drained" if found["not_drained"] else ""
        remark += f"  {found['broken'][0]}" if found["broken"] else ""
        lines.append(
            f"{found['name']:42}{found['runs']:>5}{found['given']:>7}{found['stored']:>7}{found['lost']:>5}"
            f"{found['repeated']:>5}{found['wrong']:>6}{found['quarantined']:>6}{found['longest_silence_s']:>7.1f} s"
            f"{found['recovery_s']:>7.1f} s{remark}"
        )
    return "\n".join(lines)


def markdown(report: dict[str, Any]) -> str:
    """The table of docs/RELIABILITY.md, out of a report."""
    heads = ("fault", "what happens", "runs", "given", "stored", "lost", "repeated", "wrong", "quarantined")
    heads = (*heads, "longest silence", "recovery")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for one in report["faults"]:
        detail = one["detail"]
        apart = f" + {detail['destroyed']} destroyed, named" if detail.get("destroyed") else ""
        apart += f" + {detail['left_out']} left out, counted" if detail.get("left_out") else ""
        cells = [
            f"`{one['name']}`", one["text"].rstrip("."), one["runs"], one["given"], f"{one['stored']}{apart}",
            one["lost"], one["repeated"], one["wrong"], one["quarantined"], f"{one['longest_silence_s']:.1f} s",
            f"{one['recovery_s']:.1f} s",
        ]  # fmt: skip
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def put_in(page: str, table_text: str, when: str) -> str:
    """The page with its table replaced. Raises ValueError where it has no place for one."""
    before, mark, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"the page has no {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{when}\n\n{table_text}\n{END}{after}"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("reports", type=click.Path(path_type=Path, exists=True), nargs=-1, required=True)
@click.option("--into", type=click.Path(path_type=Path, exists=True), help="The page whose table is replaced.")
@click.option("--when", default="", help="A line above the table: the day, the machine, the versions.")
def main(reports: tuple[Path, ...], into: Path | None, when: str) -> None:
    """Make a table for people of REPORTS, the runs of a fault summed: print it, or put it into a page."""
    found = summed([json.loads(path.read_text()) for path in reports])
    for words in complaints(found):
        click.echo(words, err=True)
    if into is None:
        click.echo(markdown(found))
    else:
        seeds = ", ".join(str(seed) for seed in found["seeds"])
        into.write_text(put_in(into.read_text(), markdown(found), when or f"Seed {seeds}."))


if __name__ == "__main__":
    main()
