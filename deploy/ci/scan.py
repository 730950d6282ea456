"""`python -m deploy.ci.scan`: ask who lists known holes about every library that a release ships."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from broker.errors import PermanentError, WattlineError
from deploy.local.programs import provide_programs
from deploy.local.settings import LocalSettings

_TOP: Final = Path(__file__).resolve().parents[2]
SHIPPED: Final = ("requirements/device.txt", "requirements/server.txt", "requirements/cli.txt")
"""The pins of what stands in images and wheels of a release; what developers alone run is in none."""
MOST_S: Final = 600
HOLES, UNASKED = 1, 2
"""Exit statuses: something is known, and nobody could be asked."""


@dataclass(frozen=True, slots=True, order=True)
class Hole:
    """A known hole in a library that is shipped; `fixed` are the versions without it."""

    package: str
    version: str
    number: str
    fixed: tuple[str, ...]

    def __str__(self) -> str:
        fix = f"mended in {', '.join(self.fixed)}: `make lock`" if self.fixed else "mended in no version yet"
        return f"{self.package} {self.version}: {self.number}, {fix}"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--osv-url", help="Ask this address, which speaks OSV's /v1/query, in the place of PyPI.")
@click.option("--ignore", multiple=True, metavar="ID", help="A hole that was judged and does not touch us.")
def main(osv_url: str | None, ignore: tuple[str, ...]) -> None:
    """Name each known hole in a library that agent, server or commands ship.

    Status 0: none is known; 1: some are; 2: nobody could be asked, so that nothing is known either way. Debian's
    packages in images are those of the day on which they are built, and not asked about.
    """
    try:
        holes = sorted(set().union(*(_holes(name, osv_url, ignore) for name in SHIPPED)))
    except WattlineError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(UNASKED)
    for hole in holes:
        click.echo(str(hole))
    if holes:
        sys.exit(HOLES)
    click.echo(f"no hole is known in what {', '.join(SHIPPED)} pin")


def _holes(name: str, osv_url: str | None, ignored: Sequence[str]) -> set[Hole]:
    program = provide_programs(LocalSettings(), "pip-audit", _TOP / "deploy/ci/scan.txt", _say) / "pip-audit"
    words = [str(program), "--requirement", name, "--no-deps", "--disable-pip", "--format", "json"]
    words += ["--progress-spinner", "off", "--strict", "--timeout", "30"]
    words += ["--vulnerability-service", "osv", "--osv-url", osv_url] if osv_url else []
    for one in ignored:
        words += ["--ignore-vuln", one]
    _say(f"asking about {name}")
    try:
        done = subprocess.run(
            words, cwd=_TOP, env=_environment(os.environ), capture_output=True, text=True, check=False, timeout=MOST_S
        )
    except subprocess.TimeoutExpired as error:
        raise PermanentError(f"who lists known holes did not answer about {name} within {MOST_S} s") from error
    return set(found(done.stdout, done.stderr, name))


def found(answer: str, complaint: str, name: str) -> Iterable[Hole]:
    """The holes in what pip-audit says of a file. Raises PermanentError where it could not ask about all of it."""
    try:
        libraries = json.loads(answer)["dependencies"]
        skipped = [one["name"] for one in libraries if "skip_reason" in one]
        holes = [hole for one in libraries if "skip_reason" not in one for hole in _of(one)]
    except (ValueError, KeyError, TypeError) as error:
        words = complaint.strip().splitlines()
        raise PermanentError(f"nobody could be asked about {name}: {words[-1] if words else 'no answer'}") from error
    if skipped or not libraries:
        raise PermanentError(f"nothing was said about {', '.join(skipped) or 'anything'} of {name}")
    return holes


def _of(library: Mapping[str, Any]) -> Iterable[Hole]:
    for one in library["vulns"]:
        yield Hole(library["name"], library["version"], one["id"], tuple(one["fix_versions"]))


def _environment(present: Mapping[str, str]) -> dict[str, str]:
    """Nothing that would choose for us: an index of one's own, or options."""
    return {name: value for name, value in present.items() if not name.startswith("PIP_AUDIT_")}


def _say(line: str) -> None:
    click.echo(f"· {line}", err=True)


if __name__ == "__main__":
    main()
