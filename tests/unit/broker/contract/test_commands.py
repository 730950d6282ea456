"""Commands and their arguments: what is taken, and what is refused by which name."""

from typing import Any

import pytest

from broker.contract.commands import COMMANDS, CommandRefusedError, PublishFrames, read_arguments


def test_arguments_are_read_by_their_command() -> None:
    """A whole number does for minutes, and what may be left out may be left out."""
    assert read_arguments("publish_frames", {"minutes": 5}) == PublishFrames(minutes=5)
    for command in COMMANDS.keys() - {"publish_frames", "read_profile", "set_meter_clock"}:
        read_arguments(command, {})


@pytest.mark.parametrize(
    ("command", "given", "field"),
    [
        ("fly", {}, "command"),
        ("ping", {"loud": True}, "arguments.loud"),
        ("publish_frames", {}, "arguments.minutes"),
        ("publish_frames", {"minutes": "5"}, "arguments.minutes"),
        ("publish_frames", {"minutes": 1441}, "arguments.minutes"),
        ("publish_frames", {"minutes": -1}, "arguments.minutes"),
        ("publish_frames", {"minutes": float("nan")}, "arguments.minutes"),
        ("publish_frames", {"minutes": True}, "arguments.minutes"),
        ("identify", {"port": ""}, "arguments.port"),
        ("read_now", {"meter": "has space"}, "arguments.meter"),
        ("set_meter_clock", {}, "arguments.meter"),
        ("set_meter_clock", {"meter": "LGZ:1", "despite_zone": "x"}, "arguments.despite_zone"),
        ("read_profile", {"to": "2026-11-23T00:00:00Z"}, "arguments.from"),
        ("read_profile", {"from": "2026-11-22", "to": "2026-11-23T00:00:00Z"}, "arguments.from"),
        ("read_profile", {"from": "2026-11-23T01:00:00+02:00", "to": "2026-11-22T23:00:00Z"}, "arguments"),
    ],
)
def test_what_is_wrong_is_refused_by_name(command: str, given: dict[str, Any], field: str) -> None:
    """The refusal names the command or the argument."""
    with pytest.raises(CommandRefusedError) as refusal:
        read_arguments(command, given)
    assert [reason.field for reason in refusal.value.reasons] == [field]


def test_all_wrong_arguments_are_named_at_once() -> None:
    """Nobody need mend one mistake after another."""
    with pytest.raises(CommandRefusedError) as refusal:
        read_arguments("publish_frames", {"minutes": 9999, "port": 3, "loud": 1})
    assert {reason.field for reason in refusal.value.reasons} == {
        "arguments.minutes",
        "arguments.port",
        "arguments.loud",
    }
