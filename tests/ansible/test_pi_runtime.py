"""A Pi that goes from a virtual environment to a container and back: parts of the role, done on files of the test's."""

import os
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from deploy.local.ansible import Ansible, provide_ansible
from deploy.local.settings import LocalSettings

TASKS: Final = Path(__file__).resolve().parents[2] / "deploy/ansible/roles/pi/tasks"
CONTAINER: Final = 10001


def tasks_of(file: str) -> list[dict[str, Any]]:
    """The tasks of a file of the role."""
    found: list[dict[str, Any]] = yaml.safe_load((TASKS / file).read_text())
    return found


def play(folder: Path, tasks: list[dict[str, Any]], **more: Any) -> str:
    """Do tasks on this machine, their folders moved below one of the test's; what Ansible says."""
    ansible: Ansible = provide_ansible(LocalSettings(), print)
    text = yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks, **more}])
    for moved in ("/var/lib/wattline/", "/etc/wattline/"):
        text = text.replace(moved, f"{folder}{moved}")
    (folder / "play.yml").write_text(text)
    done = subprocess.run(
        [ansible.bin / "ansible-playbook", "-c", "local", "play.yml"], cwd=folder, capture_output=True, text=True,
        env=ansible.environment(folder, folder), check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given to another account")
def test_data_is_given_over_whatever_an_earlier_run_had_done(tmp_path: Path) -> None:
    """The unit of before is gone since a run that broke off; another account's files are the container's afterwards."""
    data = tmp_path / "var/lib/wattline"
    (data / "outbox").mkdir(parents=True)
    for left in (data / "outbox/1.segment", data / "identity.json"):
        left.write_text("kept")
        os.chown(left, 61234, 61234)
    wanted = ("account's", "its account's alone")
    tasks = [task for task in tasks_of("container.yml") if task["name"].endswith(wanted)]
    assert len(tasks) == 2
    before = [{"ansible.builtin.set_fact": {"pi_unit_before": {"changed": False}}}]
    play(tmp_path, [*before, *tasks])
    assert {path.stat().st_uid for path in (data, *data.rglob("*"))} == {CONTAINER}
    assert (data / "outbox/1.segment").read_text() == "kept"
    assert "changed=0" in play(tmp_path, tasks), "done once"


def test_the_updater_is_told_of_images_before_anything_can_fail_and_no_longer_in_a_slot(tmp_path: Path) -> None:
    """Its restart stands before the first step that a release without an image fails; the line goes with the image."""
    container = tasks_of("container.yml")
    restart = next(at for at, task in enumerate(container) if "wattline-updater" in str(task.values()))
    fails = next(at for at, task in enumerate(container) if "updater" in str(task.get("ansible.builtin.command")))
    assert restart < fails
    assert not [task for task in container if task.get("notify") == "Restart the updater"]
    (told,) = [task for task in container if "WATTLINE_UPDATER_IMAGE=" in str(task.get("ansible.builtin.lineinfile"))]
    (back,) = [task for task in tasks_of("agent.yml") if "ansible.builtin.lineinfile" in task]
    assert back.pop("notify") == "Restart the updater"
    for owner in ("owner", "group"):
        told["ansible.builtin.lineinfile"].pop(owner)
    file = tmp_path / "etc/wattline/updater.env"
    file.parent.mkdir(parents=True)
    play(tmp_path, [back])
    file.write_text("WATTLINE_UPDATER_BROKER=host:8883\n")
    play(tmp_path, [told])
    assert file.read_text().splitlines() == ["WATTLINE_UPDATER_BROKER=host:8883", "WATTLINE_UPDATER_IMAGE=agent"]
    play(tmp_path, [back])
    assert file.read_text() == "WATTLINE_UPDATER_BROKER=host:8883\n"
