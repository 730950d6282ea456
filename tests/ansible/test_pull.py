"""`ansible-pull`, as a Pi that nobody reaches sets itself up: out of a git repository of its own, by our collection."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from deploy.local.ansible import Ansible, provide_ansible
from deploy.local.settings import LocalSettings
from tests.rigs.wheels import wheel_of

CLAIM = "WATTLINE_DEVICE_ENROL__CLAIM=warsaw-1\nWATTLINE_DEVICE_ENROL__TOKEN=wlc_0\n"
ROOT = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"


@pytest.fixture(scope="module")
def ansible() -> Ansible:
    """The programs."""
    return provide_ansible(LocalSettings(), print)


@dataclass
class Pulling:
    """A repository, and a machine that pulls from it."""

    ansible: Ansible
    folder: Path

    def __post_init__(self) -> None:
        """A repository as docs/OPERATIONS.md says it is, with one commit."""
        self.ansible.install_collection(self.folder)
        self.repository = self.folder / "repository"
        self.repository.mkdir()
        (self.repository / "pull.yml").write_text("- import_playbook: wattline.platform.pull\n")
        (self.repository / "root.pem").write_text(ROOT)
        wheel_of("1.0", self.repository)
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("the beginning")
        self.claim = self.folder / "claim.env"
        self.claim.write_text(CLAIM)

    def git(self, *words: str) -> None:
        """Call git in the repository."""
        who = ("-c", "user.name=a", "-c", "user.email=a@example")
        subprocess.run(["git", *who, *words], cwd=self.repository, check=True, capture_output=True, timeout=60)

    def commit(self, why: str) -> None:
        """Commit all that is there."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", why)

    def pull(self, *words: str) -> tuple[bool, str]:
        """Pull and play; whether it ended well, and what was said."""
        (wheel,) = self.repository.glob("*.whl")
        checkout = self.folder / "checkout"
        settings = {
            "pi_server": "wattline.example", "wattline_claim_file": str(self.claim),
            "wattline_wheel": str(checkout / wheel.name), "wattline_authority": str(checkout / "root.pem"),
        }  # fmt: skip
        (self.folder / "settings.yml").write_text(yaml.safe_dump(settings))
        done = subprocess.run(
            [
                self.ansible.bin / "ansible-pull", "--url", f"file://{self.repository}", "--directory", checkout,
                "--extra-vars", f"@{self.folder / 'settings.yml'}", *words, "pull.yml",
            ],
            env=self.ansible.environment(self.folder, self.folder), cwd=self.folder, capture_output=True, text=True,
            check=False, timeout=280,
        )  # fmt: skip
        return done.returncode == 0, f"{done.stdout}{done.stderr}"


def test_a_pi_sets_itself_up_out_of_a_repository(ansible: Ansible, tmp_path: Path) -> None:
    """What is committed is played; a claim that lets nobody in stops it before anything is touched."""
    pulling = Pulling(ansible, tmp_path)
    pulling.claim.write_text("WATTLINE_DEVICE_ENROL__CLAIM=warsaw-1\n")
    well, said = pulling.pull()
    assert not well
    assert "pi_claim what `wattline claim create` prints" in said, said
    assert "changed=0" in said.split("PLAY RECAP")[1]
