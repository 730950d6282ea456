"""Grafana by the role `server`: its files laid and left alone, and a plain word where there is no package of it."""

import grp
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deploy.local.ansible import Ansible, provide_ansible
from deploy.local.settings import LocalSettings

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ansible() -> Ansible:
    """The programs."""
    return provide_ansible(LocalSettings(), print)


def play(ansible: Ansible, folder: Path, tasks: str, *words: str, **given: object) -> tuple[bool, str]:
    """Play a part of the role against this machine; whether it ended well, and what was said."""
    role = {"name": "wattline.platform.server", "tasks_from": tasks}
    plays = [{"hosts": "localhost", "gather_facts": False,
              "tasks": [{"ansible.builtin.include_role": role, "vars": given}]}]  # fmt: skip
    (folder / "play.yml").write_text(yaml.safe_dump(plays))
    done = subprocess.run(
        [ansible.bin / "ansible-playbook", "-c", "local", "play.yml", *words], env=ansible.environment(folder, folder),
        cwd=folder, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    return done.returncode == 0, f"{done.stdout}{done.stderr}"


def test_its_files_are_laid_once_and_a_check_tells_the_truth(ansible: Ansible, tmp_path: Path) -> None:
    """Dashboards, data source and rules as the program writes them, for its account; a second run changes nothing."""
    ansible.install_collection(tmp_path)
    folder = tmp_path / "grafana"
    given = {
        "server_program": str(Path(sys.executable).with_name("wattline")), "server_grafana_folder": str(folder),
        "server_grafana_group": grp.getgrgid(os.getgid()).gr_name,
        "server_grafana_settings": {"WATTLINE_GRAFANA_CURRENCY": "PLN"},
    }  # fmt: skip
    well, said = play(ansible, tmp_path, "grafana_files", "--check", **given)
    assert well, said
    assert "changed=0" not in said, "it says that it would change something"
    assert not folder.exists()
    well, said = play(ansible, tmp_path, "grafana_files", **given)
    assert well, said
    boards = {path.name for path in (folder / "dashboards").rglob("*.json")}
    assert boards == {path.name for path in (TOP / "grafana/dashboards").rglob("*.json")}
    (source,) = (folder / "provisioning/datasources").glob("*.y*ml")
    assert yaml.safe_load(source.read_text())["datasources"][0]["user"] == "wattline_grafana"
    assert any("PLN" in path.read_text() for path in (folder / "dashboards").rglob("*.json"))
    assert json.loads(next((folder / "dashboards").rglob("*.json")).read_text())["uid"].startswith("wattline-")
    assert {stat.S_IMODE(path.stat().st_mode) & 0o007 for path in folder.rglob("*")} == {0}
    for words in (("--check",), ()):
        well, said = play(ansible, tmp_path, "grafana_files", *words, **given)
        assert well, said
        assert "changed=0" in said
    assert not (tmp_path / "grafana.new").exists()


def test_where_apt_has_no_grafana_the_role_says_what_to_do(ansible: Ansible, tmp_path: Path) -> None:
    """In a sentence, and nothing is set up by halves."""
    ansible.install_collection(tmp_path)
    well, said = play(ansible, tmp_path, "grafana_package")
    assert not well
    assert "no source of this machine's apt has a package grafana" in said
    assert "server_grafana_local" in said
