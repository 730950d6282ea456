"""The API's hints in the words of the command line: which command does what a route does."""

import re
from typing import Final

LISTS: Final = {
    "channels": "wattline notify channel list",
    "claims": "wattline claim list",
    "commands": "wattline device command --help",
    "devices": "wattline device list",
    "enrolments": "wattline enrol list",
    "groups": "wattline config group list",
    "jobs": "wattline job list",
    "mappings": "wattline source catalogue",
    "messages": "wattline notify messages",
    "meters": "wattline meter list",
    "payloads": "wattline source payloads --help",
    "points": "wattline point list",
    "proposals": "wattline source proposals",
    "quarantine": "wattline quarantine list",
    "rollouts": "wattline spec rollouts",
    "rules": "wattline notify rule list",
    "sources": "wattline source list",
    "specs": "wattline spec list",
    "stages": "wattline config stages",
    "tokens": "wattline token list",
    "unknown": "wattline spec unknown",
    "users": "wattline user list",
}
"""What shows the things that a route lists."""
_ABORT: Final = re.compile(r"POST /api/v1/stages/(\d+):abort")
_ONE_STAGE: Final = re.compile(r"GET /api/v1/stages/(\d+)")
_ONE_JOB: Final = re.compile(r"GET /api/v1/jobs/(\d+)")
_LIST: Final = re.compile(r"(?:GET )?/api/v1/(\w+)")


def in_commands(hint: str) -> str:
    """A hint of the API for a person at a shell; what names no route stays as it is."""
    hint = _ONE_STAGE.sub(r"wattline config stages \1", hint)
    hint = _ONE_JOB.sub(r"wattline job show \1", hint)
    hint = _ABORT.sub(r"wattline config stages \1 abort", hint)
    return _LIST.sub(lambda found: LISTS.get(found[1], found[0]), hint)
