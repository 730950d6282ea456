"""`python -m deploy.ci VERSION`: make a release of this checkout."""

import hashlib
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from broker.errors import PermanentError, WattlineError
from deploy.ci.papers import CHANGELOG, PLACES, dated, follows, renamed, unreleased, version_of

_TOP = Path(__file__).resolve().parents[2]
SUMS = "SHA256SUMS"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("version")
@click.option("--images/--no-images", default=True, show_default=True, help="Build images, which takes minutes.")
def main(version: str, *, images: bool) -> None:
    """Make VERSION: the papers and the tag, then dist/VERSION with wheel, images, bills of materials and their sums.

    What is cut off goes on when it is asked for again. Nothing leaves this machine; signing and pushing are commands of
    their own (docs/OPERATIONS.md).
    """
    try:
        commit(_TOP, version)
        folder = build(_TOP, version, images=images)
        tag(_TOP, version)
    except WattlineError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{version} stands in {folder}; `git push --follow-tags` gives others the commit and the tag")


def commit(top: Path, version: str) -> None:
    """Write the version into the papers and commit them, unless that was done. Raises WattlineError."""
    if git(top, "status", "--porcelain"):
        raise PermanentError("the checkout has changes of its own: commit them, or put them aside")
    _see_tag(top, version)
    if git(top, "log", "-1", "--format=%s") == f"release: {version}":
        _say(f"the commit of {version} is there")
        return
    texts = {name: (top / name).read_text("utf-8") for name in (*PLACES, CHANGELOG)}
    present = version_of(texts["pyproject.toml"])
    follows(version, present, texts[CHANGELOG])
    for name in PLACES:
        (top / name).write_text(renamed(texts[name], present, version), "utf-8")
    (top / CHANGELOG).write_text(dated(texts[CHANGELOG], version, datetime.now(UTC).date()), "utf-8")
    try:
        git(top, "commit", "--quiet", "--all", "--message", f"release: {version}")
    except PermanentError:
        # as without a name for the author: the next try finds what this one found
        git(top, "checkout", "--quiet", "HEAD", "--", *PLACES, CHANGELOG)
        raise
    _say(f"{present} becomes {version}, with {len(unreleased(texts[CHANGELOG]).splitlines())} lines of changes")


def build(top: Path, version: str, *, images: bool) -> Path:
    """Make all that is shipped of the version, and the sums; returns the folder. Raises WattlineError."""
    folder = top / "dist" / version
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _say("building the wheel")
    _run(top, "hatchling", "build", "-t", "wheel", "-d", str(folder))
    if images:
        _say("building images, some minutes")
        wheel = next(folder.glob("*.whl"))
        _run(top, "deploy.images", "build", "--out", str(folder / "images"), "--wheel", str(wheel))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n" for path in files]
    (folder / SUMS).write_text("".join(sums))
    return folder


def tag(top: Path, version: str) -> None:
    """Give the commit its tag, unless it has it. Raises WattlineError."""
    if not _see_tag(top, version):
        git(top, "tag", "--annotate", "--message", f"Wattline {version}", f"v{version}")


def _see_tag(top: Path, version: str) -> bool:
    """Whether this commit has the version's tag. Raises PermanentError where another has."""
    name = f"v{version}"
    if not git(top, "tag", "--list", name):
        return False
    if git(top, "rev-parse", f"{name}^{{commit}}") != git(top, "rev-parse", "HEAD"):
        raise PermanentError(f"the tag {name} is another commit's: give a higher version")
    return True


def git(top: Path, *words: str) -> str:
    """What git says. Raises PermanentError."""
    try:
        done = subprocess.run(["git", *words], cwd=top, capture_output=True, text=True, check=False, timeout=60)
    except OSError as error:
        raise PermanentError(f"git: {error}; install it") from error
    if done.returncode:
        raise PermanentError(f"git {words[0]}: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout.strip()


def _run(top: Path, module: str, *words: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, *words], cwd=top, check=False, stdout=sys.stderr)
    if done.returncode:
        raise PermanentError(f"{module} ended with {done.returncode}; mend it, and ask for the same version again")


def _say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
