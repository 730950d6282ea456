"""Rates that processes share: what one takes another has no more, however many ask at once and whoever dies."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from broker.errors import PermanentError
from intake.hooks.rates import Rate
from intake.hooks.shared_rates import SIZE, SLOT, SharedRates

TAKING = """
import sys
from pathlib import Path
from intake.hooks.rates import Rate
from intake.hooks.shared_rates import SharedRates

with SharedRates(Path(sys.argv[1])) as rates:
    rate = Rate(1e-9, 1000, 1e9, 1e9, rates.of("a"))
    print(sum(rate.take(1, 5.0) == 0 for _ in range(2000)))
"""
HOLDING = """
import signal, sys
from pathlib import Path
from intake.hooks.shared_rates import SharedRates

with SharedRates(Path(sys.argv[1])) as rates:
    rates.of("a").begin()
    print("held", flush=True)
    signal.pause()
"""


def started(program: str, file: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE, text=True)


def test_processes_together_take_what_one_may(tmp_path: Path) -> None:
    """At once, each as fast as it can; and another source has its own."""
    file = tmp_path / "rates"
    running = [started(TAKING, file) for _ in range(3)]
    taken = [int(one.communicate(timeout=60)[0]) for one in running]
    assert sum(taken) == 1000
    with SharedRates(file) as rates:
        assert Rate(1e-9, 1000, 1e9, 1e9, rates.of("a")).take(1, 5.0) > 0
        assert Rate(1e-9, 1, 1e9, 1e9, rates.of("b")).take(1, 5.0) == 0
        assert Rate(1, 1000, 1e9, 1e9, rates.of("a")).take(1, 6.0) == 0, "a raised rate begins where it stood"


def test_a_process_that_stands_or_dies_holds_up_none(tmp_path: Path) -> None:
    """With the lock in its hand."""
    file = tmp_path / "rates"
    with started(HOLDING, file) as holder, SharedRates(file) as rates:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        rate = Rate(1, 2, 1e9, 1e9, rates.of("a"))
        assert rate.take(1, 5.0) == 0
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait(60)
        assert [rate.take(1, 5.0), rate.take(1, 5.0)] == [0, 1]


def test_a_clock_that_began_anew_fills_what_was_left(tmp_path: Path) -> None:
    """A file that outlives its host's start: its times are far ahead."""
    with SharedRates(tmp_path / "rates") as rates:
        rate = Rate(1e-9, 1, 1, 1, rates.of("a"))
        assert rate.take(1, 1e6) == 0
        assert rate.take(1, 5.0) == 0
        assert rate.take(1, 5.0) > 0


def test_a_full_table_gives_the_place_of_one_that_counts_nothing(tmp_path: Path) -> None:
    """Who had it counts alone from then on, and changes nothing of the other's."""
    now_s = time.monotonic()
    with SharedRates(tmp_path / "rates") as rates, SharedRates(tmp_path / "rates") as others:
        old = Rate(1, 2, 1e9, 1e9, rates.of("old"))
        assert [old.take(1, now_s - 9) for _ in range(3)] == [0, 0, 1]
        for at in range(0, SIZE, SLOT.size):
            if SLOT.unpack_from(rates.memory, at)[0] == 0:
                # of a source that has nothing left for ever
                SLOT.pack_into(rates.memory, at, 2**63 + at, now_s, 0, 0, math.inf)
        new = Rate(1e-9, 1, 1e9, 1e9, rates.of("new"))
        assert new.take(1, now_s) == 0
        assert Rate(1e-9, 1, 1e9, 1e9, others.of("new")).take(1, now_s) > 0, "they count it together"
        assert [old.take(1, now_s) for _ in range(3)] == [0, 0, 1], "alone"
        assert Rate(1, 2, 1e9, 1e9, others.of("old")).take(1, now_s) == 0
        assert new.take(1, now_s) > 0


def test_another_ones_file_is_left_as_it_is(tmp_path: Path) -> None:
    """Neither cut, which would end whoever has it mapped, nor written to."""
    file = tmp_path / "rates"
    for body in (bytes(SIZE + 1), b"notes"):
        file.write_bytes(body)
        with pytest.raises(PermanentError, match=r"it has \d+ bytes, so that it is another's"):
            SharedRates(file)
        assert file.read_bytes() == body
    with pytest.raises(PermanentError, match="it is no file"):
        SharedRates(Path(os.devnull))


def test_all_of_it_has_room_from_the_start(tmp_path: Path) -> None:
    """On a file system that is full later a hole in it would end the process with SIGBUS."""
    with SharedRates(tmp_path / "rates"):
        assert (tmp_path / "rates").stat().st_blocks * 512 >= SIZE


def test_a_file_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"WATTLINE_INTAKE_RATES_FILE .* can't be used"):
        SharedRates(tmp_path / "none" / "rates")
