"""How a device's configuration stands, in the words of tables and pages."""

from typing import Any

import pytest

from gateway.desired.state_text import at_length, attendance, in_short

BEFORE = {"desired_version": 9, "reported_version": 9, "reported_state": "applied", "held_back": []}
REPORT = {"version": 9, "state": "applied", "in_force": 9, "watched": None, "held_back": [], "reasons": []}


@pytest.mark.parametrize(
    ("one", "told"),
    [
        ({"desired_version": None, "config_state": None}, ""),
        ({"config_state": "confirmed"}, "9 applied"),
        ({"config_state": "on_probation"}, "9 on probation"),
        ({"config_state": "never_confirmed"}, "9 never confirmed"),
        ({"config_state": "waiting", "reported_version": 8}, "9 not reported yet (applied 8)"),
        ({"config_state": "waiting", "reported_version": None}, "9 not reported yet"),
        ({"config_state": "refused"}, "9 refused"),
        (
            {"config_state": "reverted", "held_back": ["parameters.obis_include"]},
            "9 reverted, without obis_include",
        ),
    ],
)
def test_a_cell_of_a_table(one: dict[str, Any], told: str) -> None:
    """The version with its state."""
    assert in_short({**BEFORE, **one}) == told


@pytest.mark.parametrize(
    ("state", "report", "told"),
    [
        ("waiting", None, "nothing reported yet"),
        ("confirmed", {}, "applied 9"),
        ("on_probation", {"watched": ["A:1"]}, "applied 9, on probation: waits for readings of A:1"),
        ("on_probation", {}, "applied 9, on probation: waits for readings"),
        ("never_confirmed", {"watched": []}, "applied 9, never confirmed: no meter has spoken since"),
        (
            "never_confirmed",
            {"watched": [], "reasons": [{"field": "meters.A:1", "reason": "nothing left"}]},
            "applied 9, never confirmed: meters.A:1: nothing left",
        ),
        (
            "reverted",
            {"state": "reverted", "in_force": 8, "held_back": ["parameters.obis_include"]},
            "reverted 9, 8 is in force, held back: obis_include",
        ),
        (
            "reverted",
            {"state": "reverted", "held_back": ["parameters.obis_include", "meters.A:1.spec"]},
            "reverted 9, in force without obis_include, meters.A:1.spec",
        ),
        ("reverted", {"state": "reverted", "in_force": None}, "reverted 9, the last good one is in force"),
    ],
)
def test_a_line_of_a_page(state: str, report: dict[str, Any] | None, told: str) -> None:
    """What the device said, and what that means."""
    assert at_length(state, None if report is None else {**REPORT, **report}) == told


@pytest.mark.parametrize(
    ("online", "silent", "meters", "told"),
    [
        (None, [], 0, "never seen"),
        (False, ["A:1"], 1, "no"),
        (True, [], 1, "yes"),
        (True, ["A:1"], 1, "yes, silent"),
        (True, ["A:1"], 2, "yes, 1 silent"),
    ],
)
def test_whether_it_is_there(online: bool | None, silent: list[str], meters: int, told: str) -> None:
    """Online says nothing of its meters."""
    found = {"online": online, "silent": silent, "meter_count": meters}
    assert attendance({**found, "revoked": False}) == told
    assert attendance({**found, "revoked": True}) == "revoked"
