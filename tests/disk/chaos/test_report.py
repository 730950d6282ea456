"""The report of `make chaos`: it grows run by run, and the reports of several parts are one."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from tests.chaos import faults
from tests.chaos.all import Result, in_a_process
from tests.chaos.judge import Verdict
from tests.chaos.registry import FAULTS
from tests.chaos.report import BEGIN, END, document, main, write

assert faults
KILLED, WIPED = FAULTS["agent_killed"], FAULTS["broker_wiped"]


def part(path: Path, seed: int, *results: Result, runs: int = 1) -> Path:
    """The report of one part as a file."""
    write(path, document(list(results), seed, runs))
    return path


def verdict(given: int, silence_s: float, **further: Any) -> Verdict:
    """A run that stored all that was given."""
    return Verdict(given=given, stored=given, longest_silence_s=silence_s, **further)


def printed(*paths: Path) -> tuple[list[list[str]], str]:
    """The cells of the printed table's rows, and what was complained of."""
    done = CliRunner().invoke(main, [str(path) for path in paths], catch_exceptions=False)
    assert done.exit_code == 0
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()[2:]]
    return rows, done.stderr


def test_the_runs_of_a_fault_in_several_files_are_summed(tmp_path: Path) -> None:
    """Counts add up, the longest times stand, and a fault of one file only stays as it is."""
    first = part(tmp_path / "1.json", 1, Result(KILLED, [verdict(100, 2.0, recovery_s=9.0)]))
    second = part(
        tmp_path / "2.json", 2, Result(WIPED, [verdict(7, 1.0)]),
        Result(KILLED, [verdict(20, 5.0, lost=1), verdict(3, 4.0, detail={"destroyed": 2})]), runs=2,
    )  # fmt: skip
    rows, complaints = printed(first, second)
    assert [row[0] for row in rows] == ["`agent_killed`", "`broker_wiped`"]
    assert rows[0][2:] == ["3", "123", "123 + 2 destroyed, named", "1", "0", "0", "0", "5.0 s", "9.0 s"]
    assert rows[1][2:4] == ["1", "7"]
    assert not complaints


def test_what_has_no_column_is_complained_of(tmp_path: Path) -> None:
    """Runs that were not made, outboxes that did not get empty, and broken promises, whichever file has them."""
    good = part(tmp_path / "good.json", 1, Result(KILLED, [verdict(1, 0.0)]))
    bad = part(
        tmp_path / "bad.json", 2,
        Result(KILLED, [verdict(1, 0.0, drained=False, broken=["a lie"])], failure="Traceback\nOSError: gone\n"),
    )  # fmt: skip
    _, complaints = printed(good, bad, good)
    assert complaints.splitlines() == [
        "agent_killed: not all runs were made: OSError: gone",
        "agent_killed: 1 runs were not drained",
        "agent_killed: a lie",
    ]


def test_a_page_gets_the_table_of_all_files(tmp_path: Path) -> None:
    """Between the marks, under the seeds of all parts."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    paths = [part(tmp_path / f"{seed}.json", seed, Result(KILLED, [verdict(5, 1.0)])) for seed in (11, 12)]
    done = CliRunner().invoke(main, [*map(str, paths), "--into", str(page)], catch_exceptions=False)
    text = page.read_text()
    assert done.exit_code == 0
    assert text.startswith(f"before\n{BEGIN}\nSeed 11, 12.\n")
    assert "| 2 | 10 |" in text
    assert "old" not in text
    assert text.endswith(f"{END}\nafter\n")


def test_a_report_of_a_part_is_not_good(tmp_path: Path) -> None:
    """Whoever aborts finds the runs that were made, and is not told that all is well."""
    done, begun, waiting = Result(KILLED, [verdict(1, 0.0)] * 2), Result(WIPED, [verdict(1, 0.0)]), Result(WIPED)
    found = json.loads(part(tmp_path / "r.json", 1, done, begun, waiting, runs=2).read_text())
    assert not found["good"]
    assert [row["runs"] for row in found["faults"]] == [2, 1]
    assert document([done], 1, 2)["good"]


async def test_a_fault_that_can_t_be_done_is_in_the_report_at_once(tmp_path: Path) -> None:
    """Its process ends without a verdict, and the caller gets to keep the failure."""
    result = Result(KILLED)
    doing = in_a_process(result, tmp_path / "no such template", 1, 1, lambda _: None)
    kept = [document([result], 1, 1) async for _ in doing]
    assert [report["good"] for report in kept] == [False]
    assert kept[0]["faults"][0]["failure"]
