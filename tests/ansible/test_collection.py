"""Our Ansible collection: what the linter says at its strictest, and that what it writes is understood."""

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from broker.runtime.environment import read
from deploy.local.ansible import Ansible, provide_ansible
from deploy.local.settings import LocalSettings
from device.settings import DeviceSettings
from tests.rigs.systemd import environment_file
from tests.rigs.wheels import wheel_of

TOP = Path(__file__).resolve().parents[2]
COLLECTION = TOP / "deploy" / "ansible"
CLAIM = "WATTLINE_DEVICE_ENROL__CLAIM=warsaw-1\nWATTLINE_DEVICE_ENROL__TOKEN=wlc_0\n"


def call(ansible: Ansible, folder: Path, program: str, *words: str) -> str:
    """What a program of Ansible's says, which must end well."""
    done = subprocess.run(
        [ansible.bin / program, *words], env=ansible.environment(folder, folder), cwd=folder,
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def ansible() -> Ansible:
    """The programs."""
    return provide_ansible(LocalSettings(), print)


def test_the_collection_is_fit_for_production(ansible: Ansible, tmp_path: Path) -> None:
    """As an operator gets it: built, installed, linted at the production profile; a fault is found."""
    installed = ansible.install_collection(tmp_path)
    for name in (
        "systemd/wattline-gateway.service",
        "systemd/secrets.sh",
        "systemd/certificates.sh",
        "compose/roles.sql",
    ):
        source = TOP / "deploy" / name
        assert (installed / "roles/server/files" / source.name).read_text() == source.read_text()
    for name in ("wattline-device.service", "wattline-updater.service", "device-slots.conf"):
        assert (installed / "roles/pi/files" / name).read_text() == (TOP / "deploy/systemd" / name).read_text()
    words = ("--offline", "--profile=production", "--nocolor", f"--project-dir={installed}")
    call(ansible, tmp_path, "ansible-lint", *words)
    playbook = installed / "playbooks/update.yml"
    playbook.write_text(playbook.read_text().replace("wattline.platform.update", "wattline.platform.gone"))
    with pytest.raises(AssertionError, match="gone"):
        call(ansible, tmp_path, "ansible-playbook", "--syntax-check", str(playbook))


def test_a_pi_s_settings_are_understood_by_its_agent(
    ansible: Ansible, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is given stands in device.env as systemd and the agent read it; the journal and watchdog likewise."""
    role = COLLECTION / "roles/pi"
    given = {
        "pi_server": "server", "pi_claim": CLAIM, "pi_ports": ["/dev/ttyUSB0", "/dev/ttyAMA0"], "pi_device_id": "pi-1",
        "pi_settings": {"WATTLINE_DEVICE_HTTP_PORT": 8090}, "pi_ntp": ["10.0.0.1"],
        "pi_token_uri": "pkcs11:token=w;object=d?module-path=/m.so&pin-source=/run/pin",
    }  # fmt: skip
    names = ("device.env", "journald.conf", "watchdog.conf", "timesyncd.conf")
    tasks = [
        {"ansible.builtin.template": {"src": str(role / f"templates/{name}.j2"), "dest": str(tmp_path / name)}}
        for name in names
    ]
    play = {"hosts": "localhost", "gather_facts": False, "vars_files": [str(role / "defaults/main.yml")],
            "vars": {}, "tasks": tasks}  # fmt: skip
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    call(ansible, tmp_path, "ansible-playbook", "-c", "local", "-e", json.dumps(given), "play.yml")
    for name, value in environment_file(tmp_path / "device.env").items():
        monkeypatch.setenv(name, value)
    settings = read(DeviceSettings)
    assert (settings.device_id, settings.ports) == ("pi-1", ("/dev/ttyUSB0", "/dev/ttyAMA0"))
    assert (settings.enrol.claim, settings.http_port) == ("warsaw-1", 8090)
    assert settings.enrol.key == given["pi_token_uri"]
    assert (settings.broker.host, settings.broker.port) == ("server", 8883)
    assert "Storage=volatile\nRuntimeMaxUse=32M\n" in (tmp_path / "journald.conf").read_text()
    assert "RuntimeWatchdogSec=14\n" in (tmp_path / "watchdog.conf").read_text()
    assert "NTP=10.0.0.1\n" in (tmp_path / "timesyncd.conf").read_text()


@dataclass
class Target:
    """A machine that the role `program` is played against: this one, below a folder, with units of a stand-in."""

    ansible: Ansible
    folder: Path

    def __post_init__(self) -> None:
        """Lay the collection, what the program requires, and a service manager that notes what it is asked."""
        role = self.ansible.install_collection(self.folder) / "roles/program"
        tiny = wheel_of("1.0", self.folder, command="", name="tiny")
        digest = hashlib.sha256(tiny.read_bytes()).hexdigest()
        (role / "files/device.txt").write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
        (self.folder / "bin").mkdir()
        manager = self.folder / "bin/systemctl"
        manager.write_text(
            f'#!/bin/sh\ncd {self.folder}; echo "$1" >> calls\n'
            "case $1 in is-active) cat state;; stop) echo inactive > state;; start) echo active > state;; esac\n"
        )
        manager.chmod(0o755)
        self.runs(False)

    def runs(self, active: bool) -> None:
        """Say whether the unit runs."""
        (self.folder / "state").write_text("active\n" if active else "inactive\n")
        (self.folder / "calls").write_text("")

    def install(self, wheel: Path, *pip: str, check: bool = False) -> tuple[bool, str]:
        """Play the role, or say what it would do; whether it ended well, and what was said."""
        given = {
            "program_wheel": str(wheel), "program_folder": str(self.folder / "wattline"), "program_units": ["one"],
            "program_pip_arguments": ["--no-index", *pip], "program_fetch_retries": 0,
        }  # fmt: skip
        role = {"name": "wattline.platform.program", "tasks_from": "install"}
        tasks = [{"ansible.builtin.include_role": role, "vars": given}]
        play = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]
        (self.folder / "play.yml").write_text(yaml.safe_dump(play))
        environment = self.ansible.environment(self.folder, self.folder)
        done = subprocess.run(
            [self.ansible.bin / "ansible-playbook", "-c", "local", "play.yml", *(["--check"] if check else [])],
            cwd=self.folder, check=False,
            env=environment | {"PATH": f"{self.folder / 'bin'}:{environment['PATH']}"}, capture_output=True, text=True,
            timeout=240,
        )  # fmt: skip
        return done.returncode == 0, f"{done.stdout}{done.stderr}"

    def state(self) -> tuple[str, str]:
        """What the installed program says, and whether its unit runs."""
        said = subprocess.run([self.folder / "wattline/bin/wattline"], capture_output=True, text=True, check=True)
        return said.stdout.strip(), (self.folder / "state").read_text().strip()


def test_an_update_that_fails_leaves_what_ran(ansible: Ansible, tmp_path: Path) -> None:
    """No network: nothing is stopped. A wheel that is another than its name: the old one is back, whole, and runs."""
    target = Target(ansible, tmp_path)
    source = f"--find-links={tmp_path}"
    well, said = target.install(wheel_of("1.0", tmp_path), source)
    assert (well, target.state()) == (True, ("1.0", "inactive")), said

    target.runs(True)
    wheel = wheel_of("2.0", tmp_path, body="print('another')")
    well, said = target.install(wheel)
    assert (well, target.state()) == (False, ("1.0", "active")), said
    assert "Fetch what it requires" in said.split("was not installed")[1]
    assert "stop" not in (tmp_path / "calls").read_text()
    well, said = target.install(wheel, source)
    assert (well, target.state()) == (False, ("1.0", "active")), said
    assert "See that the wheel's version answers" in said.split("was not installed")[1]
    assert "what was there before runs again: one" in said
    assert (tmp_path / "calls").read_text().split()[-3:] == ["is-active", "stop", "start"]

    well, said = target.install(wheel_of("2.0", tmp_path), source, check=True)
    assert (well, target.state()) == (True, ("1.0", "active")), said
    well, said = target.install(wheel_of("2.0", tmp_path), source)
    assert (well, target.state()) == (True, ("2.0", "inactive")), said
    assert list(tmp_path.glob("wattline.*")) == []
    (tmp_path / "wattline/current").touch()
    well, said = target.install(wheel_of("2.0", tmp_path), source)
    assert well, said
    assert "changed=0" in said
    target.runs(True)
    well, said = target.install(wheel_of("3.0", tmp_path), source)
    assert (well, target.state()) == (False, ("2.0", "active")), said
    assert "wattline update publish" in said
