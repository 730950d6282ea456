"""What the role says of a Pi's token: to its unit, and to nobody else."""

import os
import stat
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from deploy.local.ansible import Ansible, provide_ansible
from deploy.local.settings import LocalSettings

ROLE: Final = Path(__file__).resolve().parents[2] / "deploy/ansible/roles/pi"
PIN: Final = "1f8c02"
GIVEN: Final = "/run/credentials/wattline-device.service/token.pin"
HANDLERS: Final = [
    {"name": name, "ansible.builtin.debug": {"msg": name}} for name in ("Reload systemd", "Restart the agent")
]


def play(folder: Path, **given: Any) -> str:
    """Do the role's tasks, but for apt's, below a folder of the test's; what Ansible says."""
    ansible: Ansible = provide_ansible(LocalSettings(), print)
    tasks = [one for one in yaml.safe_load((ROLE / "tasks/token.yml").read_text()) if "ansible.builtin.apt" not in one]
    values = yaml.safe_load((ROLE / "defaults/main.yml").read_text()) | given
    text = yaml.safe_dump([
        {"hosts": "localhost", "gather_facts": False, "vars": values, "tasks": tasks, "handlers": HANDLERS}
    ])  # fmt: skip
    for moved in ("/etc/systemd/system/", "dest: /etc/wattline/", "- /etc/wattline/"):
        text = text.replace(moved, moved.replace("/etc", f"{folder}/etc"))
    (folder / "play.yml").write_text(text.replace("src: token.conf.j2", f"src: {ROLE}/templates/token.conf.j2"))
    done = subprocess.run(
        [ansible.bin / "ansible-playbook", "-c", "local", "play.yml", "-v"], cwd=folder, capture_output=True, text=True,
        env=ansible.environment(folder, folder), check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="files are root's")
def test_the_unit_is_given_token_and_pin_and_they_go_with_the_setting(tmp_path: Path) -> None:
    """Once; the PIN is root's alone, and in nothing that Ansible says."""
    (tmp_path / "etc/wattline").mkdir(parents=True)
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    pin = tmp_path / "etc/wattline/token.pin"
    unit = tmp_path / "etc/systemd/system/wattline-device.service.d/token.conf"
    given = {
        "pi_token_uri": f"pkcs11:token=w;object=d?module-path=/m.so&pin-source={GIVEN}",
        "pi_token_pin": PIN, "pi_token_groups": ["tss"], "pi_token_environment": {"TPM2_PKCS11_STORE": "/var/lib/x"},
    }  # fmt: skip
    assert PIN not in play(tmp_path, **given)
    assert (pin.read_text(), stat.S_IMODE(pin.stat().st_mode)) == (PIN, 0o600)
    assert unit.read_text().splitlines()[1:] == [
        "[Service]", "LoadCredential=token.pin:/etc/wattline/token.pin", "SupplementaryGroups=tss",
        'Environment="TPM2_PKCS11_STORE=/var/lib/x"',
    ]  # fmt: skip
    assert "changed=0" in play(tmp_path, **given), "done once"
    assert "Restart the agent" in play(tmp_path)
    assert not pin.exists()
    assert not unit.exists()
    assert "changed=0" in play(tmp_path)
