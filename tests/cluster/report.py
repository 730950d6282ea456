"""`python -m tests.cluster.report REPORT`: the table of docs/SCALE.md, out of a report of `make test-cluster`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.cluster.faults import FAULTS

_SUMS: Final = ("given", "stored", "lost", "repeated", "wrong")
_NOTES: Final = {
    "new_primary_after_s": "new primary after",
    "services_well_after_s": "all services well at it after",
    "old_one_rejoined_after_s": "old one a standby again after",
    "node_back_after_s": "node back after",
}


def markdown(runs: list[dict[str, Any]]) -> Iterator[str]:
    """A line a fault: sums, the longest of each time, and what else was measured."""
    heads = ("what happens", "runs", *_SUMS, "longest silence", "recovery", "beside")
    yield "| " + " | ".join(heads) + " |"
    yield "|---" * len(heads) + "|"
    for name in dict.fromkeys(run["name"] for run in runs):
        some = [run for run in runs if run["name"] == name]
        notes = [
            f"{words} {min(found)} to {max(found)} s" if len(found) > 1 else f"{words} {found[0]} s"
            for key, words in _NOTES.items()
            if (found := [run[key] for run in some if key in run])
        ]
        longest = [f"{max(run[key] for run in some):.0f} s" for key in ("longest_silence_s", "recovery_s")]
        sums = [str(sum(run[key] for run in some)) for key in _SUMS]
        cells = [FAULTS[name].text.rstrip("."), str(len(some)), *sums, *longest, ", ".join(notes)]
        yield "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    for line in markdown(json.loads(Path(sys.argv[1]).read_text())["runs"]):
        print(line)
