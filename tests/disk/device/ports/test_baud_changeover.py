"""What is remembered of meters that do not follow the rate that they propose."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from device.ports.baud_changeover import FIRST_HOLD, LONGEST_HOLD, holds, later
from device.ports.detection import SIGN_ON, KnownLine
from device.ports.memory import PortMemory, Slow
from meters.telegram import Wire

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
POLLED = KnownLine(SIGN_ON, Wire.IEC62056_21, poll=True)


def test_each_failure_keeps_300_baud_for_longer_up_to_a_week() -> None:
    """A disturbance costs ten minutes; a meter that never follows is asked once a week at last."""
    slow = later(None, 4800, NOW)
    assert (slow.times, slow.until_at) == (1, NOW + FIRST_HOLD)
    for _ in range(30):
        slow = later(slow, 4800, NOW)
    assert slow.until_at == NOW + LONGEST_HOLD
    assert later(slow, 9600, NOW) == Slow(9600, 1, NOW + FIRST_HOLD)


def test_a_hold_learnt_under_a_clock_that_ran_ahead_does_not_last_until_then() -> None:
    """No hold is longer than LONGEST_HOLD: one that ends later is none."""
    assert holds(later(None, 4800, NOW), NOW)
    assert not holds(later(None, 4800, NOW), NOW + FIRST_HOLD)
    assert holds(Slow(4800, 9, NOW + LONGEST_HOLD), NOW)
    assert not holds(later(None, 4800, NOW + timedelta(days=3650)), NOW)


def test_it_lasts_over_a_restart_beside_what_speaks_at_the_port(tmp_path: Path) -> None:
    """Detection and failed change-overs lie in one file, and neither wipes the other."""
    memory = PortMemory(tmp_path / "ports.json")
    slow = {"LGZ4ZMD": Slow(4800, 3, NOW + timedelta(hours=1))}
    memory.put_slow("/dev/ttyUSB0", slow)
    memory.put("/dev/ttyUSB0", POLLED)
    again = PortMemory(tmp_path / "ports.json")
    again.load()
    assert again.get("/dev/ttyUSB0") == POLLED
    assert again.slow("/dev/ttyUSB0") == slow
    assert again.slow("/dev/ttyUSB1") == {}
    again.put_slow("/dev/ttyUSB0", {})
    assert "slow" not in json.loads((tmp_path / "ports.json").read_text())["/dev/ttyUSB0"]


def test_a_file_of_an_earlier_agent_and_a_broken_one_are_taken(tmp_path: Path) -> None:
    """What was written before there was anything to remember of rates is read; nonsense costs the memory only."""
    file = tmp_path / "ports.json"
    file.write_text('{"/dev/ttyUSB0": {"line": "300 7E1", "protocol": "iec62056-21", "poll": true}}')
    memory = PortMemory(file)
    memory.load()
    assert memory.get("/dev/ttyUSB0") == POLLED
    file.write_text('{"/dev/ttyUSB0": {"slow": {"LGZ": {"baud": 4800, "times": 1, "until": "2026-11-28T12:00:00"}}}}')
    broken = PortMemory(file)
    broken.load()
    assert broken.get("/dev/ttyUSB0") is None
