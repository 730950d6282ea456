"""A release out of a checkout: papers, commit, tag and wheel; pipelines whose steps are the Makefile's."""

import hashlib
import re
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.errors import ContractError
from deploy.ci.papers import PLACES, dated, follows, renamed, unreleased, version_of
from deploy.ci.version import parsed

TOP = Path(__file__).resolve().parents[4]
CHANGELOG = "# Changelog\n\n## [Unreleased]\n### Added\n- A thing.\n\n## [0.2.0] - 2026-11-27\n### Added\n- More.\n"
ELSEWHERE = (
    "CHANGELOG.md",
    "docs/releases/",
    "tests/",
    "gateway/console/static/vendor/",
    "deploy/ansible/plugins/",
    "meters/",
)
"""What speaks of versions that were, of examples, of others' versions, or of OBIS codes."""


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=120).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone of what stands here, its changes of the moment with it."""
    made = tmp_path / "wattline"
    made.mkdir()
    files = git(TOP, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    listed = "".join(f"{name}\n" for name in files.split("\0") if name and (TOP / name).is_file())
    subprocess.run(["tar", "cf", tmp_path / "all.tar", "-T", "-"], cwd=TOP, input=listed, text=True, check=True)
    subprocess.run(["tar", "xf", tmp_path / "all.tar"], cwd=made, check=True)
    git(made, "init", "--quiet")
    for name, value in (("user.name", "T"), ("user.email", "t@example.org")):
        git(made, "config", name, value)
    git(made, "add", "--all")
    git(made, "commit", "--quiet", "--message", "feat: what is there")
    return made


def released(checkout: Path, version: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.ci", version, "--no-images"]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=120, check=False)


def test_a_release_is_papers_a_tag_and_what_is_shipped(checkout: Path) -> None:
    """All that names the version names the new one; asked again it is the same; no lower one, no dirty checkout."""
    readme = checkout / "README.md"
    before = readme.read_text()
    readme.write_text(before + "mine\n")
    assert "has changes of its own" in released(checkout, "99.0.0").stderr
    readme.write_text(before)
    done = released(checkout, "99.0.0")
    assert done.returncode == 0, done.stderr
    folder = checkout / "dist" / "99.0.0"
    (wheel,) = folder.glob("*.whl")
    assert wheel.name == "wattline-99.0.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        assert "\nVersion: 99.0.0\n" in archive.read(metadata).decode()
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert (folder / "SHA256SUMS").read_text() == f"{digest}  {wheel.name}\n"
    assert git(checkout, "log", "-1", "--format=%s %D").startswith("release: 99.0.0 HEAD")
    assert git(checkout, "rev-parse", "v99.0.0^{commit}") == git(checkout, "rev-parse", "HEAD")
    assert git(checkout, "status", "--porcelain") == ""
    assert wheel.name in readme.read_text()
    assert re.search(
        r"## \[Unreleased\]\n\n## \[99\.0\.0\] - \d{4}-\d\d-\d\d\n", (checkout / "CHANGELOG.md").read_text()
    )
    again = released(checkout, "99.0.0")
    assert (again.returncode, "the commit of 99.0.0 is there" in again.stderr) == (0, True)
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() == digest
    lower = released(checkout, "98.0.0")
    assert (lower.returncode, "98.0.0 does not follow 99.0.0" in lower.stderr) == (1, True)
    assert "Traceback" not in done.stderr + again.stderr + lower.stderr


def test_no_file_names_the_version_but_those_that_a_release_changes() -> None:
    """Or it would name the old one for ever."""
    present = version_of((TOP / "pyproject.toml").read_text())
    named = git(TOP, "grep", "--files-with-matches", "--fixed-strings", present).splitlines()
    exact = {name for name in named if renamed((TOP / name).read_text(), present, "x") != (TOP / name).read_text()}
    assert {name for name in exact if not name.startswith(ELSEWHERE)} <= set(PLACES)
    assert set(PLACES) <= exact


def test_versions_follow_one_another() -> None:
    """A candidate comes before its release."""
    ordered = ["0.2.0", "0.3.0a1", "0.3.0b2", "0.3.0rc1", "0.3.0rc10", "0.3.0", "0.3.1", "0.10.0", "1.0.0"]
    assert sorted(ordered, key=parsed) == ordered
    for wrong in ("", "1", "1.0", "v1.0.0", "1.0.0-beta", "1.0.0.0"):
        with pytest.raises(ContractError, match="is no version"):
            parsed(wrong)


def test_the_papers_of_a_release() -> None:
    """The changelog gets a heading; a version within a longer number or an OBIS code stays."""
    assert unreleased(CHANGELOG) == "### Added\n- A thing.\n\n"
    assert dated(CHANGELOG, "0.3.0", date(2026, 12, 1)).startswith(
        "# Changelog\n\n## [Unreleased]\n\n## [0.3.0] - 2026-12-01\n### Added\n- A thing.\n"
    )
    assert (
        renamed("a-0.2.0-py3 :0.2.0. 10.2.0 0.2.0.1 0.2.01", "0.2.0", "0.3.0")
        == "a-0.3.0-py3 :0.3.0. 10.2.0 0.2.0.1 0.2.01"
    )
    with pytest.raises(ContractError, match="in the changelog already"):
        follows("0.2.0", "0.1.0", CHANGELOG)
    with pytest.raises(ContractError, match="nothing stands below"):
        follows("0.3.0", "0.2.0", CHANGELOG.replace("### Added\n- A thing.\n\n", "", 1))
    with pytest.raises(ContractError, match="no line ## "):
        unreleased("# Changelog\n")


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_each_step_of_a_pipeline_is_a_target(name: str) -> None:
    """So all of it runs anywhere; from tests to Pis, in this order."""
    targets = set(re.findall(r"^([a-z-]+):.*##", (TOP / "Makefile").read_text(), re.MULTILINE))
    steps = list(_steps(yaml.safe_load((TOP / "deploy" / "ci" / name).read_text())))
    used = [step.split()[1] for step in steps if step.startswith("make ")]
    assert [step for step in steps if not step.startswith(("make ", "apt-get "))] == []
    assert set(used) <= targets
    assert used == [
        "test", "test-editions", "test-ansible", "scan", "images", "release", "sign", "push", "publish", "refresh",
    ]  # fmt: skip


def test_each_day_the_newest_word_is_renewed_and_known_holes_looked_for() -> None:
    """By a schedule, and nothing else: Pis believe no word that is older than 14 days; holes become known later."""
    github = yaml.safe_load((TOP / "deploy" / "ci" / "github.yml").read_text())
    # YAML 1.1 reads `on` as true
    assert [one["cron"].split()[2:] for one in github[True]["schedule"]] == [["*", "*", "*"]]
    scheduled = "github.event_name == 'schedule'"
    for name, job in github["jobs"].items():
        needs = job.get("needs", [])
        needed = [github["jobs"][one] for one in ([needs] if isinstance(needs, str) else needs)]
        of_days = [one.get("if", "") for one in (job, *needed)]
        daily = name in ("refresh", "scan")
        assert daily or any(one.startswith(scheduled.replace("==", "!=")) for one in of_days), name
    assert github["jobs"]["refresh"]["if"] == scheduled
    gitlab = yaml.safe_load((TOP / "deploy" / "ci" / "gitlab.yml").read_text())
    assert "if" not in github["jobs"]["scan"]
    assert "rules" not in gitlab.pop("scan")
    first = {name: job["rules"][0] for name, job in gitlab.items() if isinstance(job, dict) and "script" in job}
    scheduled = '$CI_PIPELINE_SOURCE == "schedule"'
    assert first.pop("refresh") == {"if": scheduled}
    assert list(first.values()) == [{"if": scheduled, "when": "never"}] * 4


def _steps(document: dict[Any, Any]) -> Any:
    for job in document.get("jobs", document).values():
        if isinstance(job, dict):
            yield from job.get("script", [step["run"] for step in job.get("steps", []) if "run" in step])
