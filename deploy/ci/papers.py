"""What a release changes in the papers: the version wherever it stands, and the changelog's heading. Pure functions."""

import re
from datetime import date
from typing import Final

from broker.errors import ContractError
from deploy.ci.version import parsed

PLACES: Final = (
    "pyproject.toml", "README.md", "deploy/Dockerfile", "deploy/compose.yaml", "deploy/ansible/galaxy.yml",
    "deploy/compose/outlet.yaml", "docs/OPERATIONS.md",
)  # fmt: skip
"""The files that name the present version; tests hold that no other does."""
CHANGELOG: Final = "CHANGELOG.md"
_UNRELEASED: Final = "## [Unreleased]\n"
_RELEASE: Final = re.compile(r"^(?=## \[)", re.MULTILINE)
_VERSION: Final = re.compile(r'^version = "([^"]+)"$', re.MULTILINE)


def version_of(project: str) -> str:
    """The version that pyproject.toml's text gives. Raises ContractError."""
    found = _VERSION.search(project)
    if found is None:
        raise ContractError('no line version = "..."', field="pyproject.toml", fix="give it one")
    return found[1]


def follows(version: str, present: str, changelog: str) -> None:
    """See that a version may come after the present one. Raises ContractError."""
    if parsed(version) <= parsed(present):
        raise ContractError(f"{version} does not follow {present}", field="VERSION", fix="give a higher one")
    if f"## [{version}]" in changelog:
        raise ContractError(f"{version} is in the changelog already", field="VERSION", fix="give a higher one")
    if not unreleased(changelog).strip():
        raise ContractError("nothing stands below [Unreleased]", field=CHANGELOG, fix="say what has changed")


def unreleased(changelog: str) -> str:
    """What the changelog says of the next release. Raises ContractError."""
    _, found, rest = changelog.partition(_UNRELEASED)
    if not found:
        raise ContractError("it has no line ## [Unreleased]", field=CHANGELOG, fix="give it one")
    return _RELEASE.split(rest, maxsplit=1)[0]


def dated(changelog: str, version: str, day: date) -> str:
    """The changelog with what was unreleased below a heading of the version, and nothing unreleased."""
    return changelog.replace(_UNRELEASED, f"{_UNRELEASED}\n## [{version}] - {day.isoformat()}\n", 1)


def renamed(text: str, present: str, version: str) -> str:
    """A file's text with the new version in the present one's place, never within a longer number."""
    return re.sub(rf"(?<![\d.]){re.escape(present)}(?![\d]|\.\d)", version, text)
