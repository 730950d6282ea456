"""The API's hints as a person at a shell is given them."""

import re
from pathlib import Path

import pytest

from cli.hints import LISTS, in_commands

GATEWAY = Path(__file__).resolve().parents[3] / "gateway"


@pytest.mark.parametrize(
    ("hint", "told"),
    [
        ("GET /api/v1/devices lists them", "wattline device list lists them"),
        ("GET /api/v1/unknown lists them", "wattline spec unknown lists them"),
        ("GET /api/v1/meters lists them", "wattline meter list lists them"),
        ("see /api/v1/specs", "see wattline spec list"),
        (
            "wait for it, or abort it: POST /api/v1/stages/7:abort",
            "wait for it, or abort it: wattline config stages 7 abort",
        ),
        ("GET /api/v1/jobs/7 tells of it", "wattline job show 7 tells of it"),
        ("GET /api/v1/stages/7 says why", "wattline config stages 7 says why"),
        ("give an earlier time", "give an earlier time"),
    ],
)
def test_a_hint_names_the_command_and_not_the_route(hint: str, told: str) -> None:
    """What a route would list a command lists."""
    assert in_commands(hint) == told


def test_every_kind_of_thing_that_may_be_missing_has_its_command() -> None:
    """Whatever the gateway says that there is none of, a command lists."""
    kinds = set()
    for file in GATEWAY.rglob("*.py"):
        kinds |= set(re.findall(r"unknown\(\"(\w+)\"", file.read_text()))
    assert len(kinds) > 5
    assert {f"{kind}s" for kind in kinds} <= LISTS.keys()
