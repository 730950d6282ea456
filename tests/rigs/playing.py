"""Our playbooks against machines of a test, as an operator runs them."""

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deploy.local.ansible import Ansible, provide_ansible
from deploy.local.settings import LocalSettings
from tests.rigs.machines import Machine

WHEELS = ["--no-index", "--find-links=/srv/wheels"]
"""For pip: the machines have no network but their own."""
_RECAP = re.compile(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=0\s+failed=0 ", re.MULTILINE)


def changes(said: str) -> str:
    """The tasks that changed something, of what a playbook said."""
    tasks = re.split(r"^(?=TASK |RUNNING HANDLER |PLAY RECAP)", said, flags=re.MULTILINE)
    return "\n".join(task[:2000] for task in tasks if re.search(r"^changed: ", task, re.MULTILINE))


@dataclass
class Playing:
    """Ansible with our collection; `given` is what an operator says of all machines, beside what all tests say."""

    ansible: Ansible
    folder: Path
    wheel: Path
    machines: dict[str, Machine] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)

    @classmethod
    async def made(cls, folder: Path, wheel: Path) -> "Playing":
        """The programs, installed first where the cache lacks them, and the collection built and installed."""
        ansible = await asyncio.to_thread(provide_ansible, LocalSettings(), print)
        await asyncio.to_thread(ansible.install_collection, folder)
        return cls(ansible, folder, wheel)

    async def play(self, name: str, *words: str) -> tuple[dict[str, int], str]:
        """Run a playbook of ours; how many things changed on each machine, and what it said."""
        status, said = await self.played(name, *words)
        assert status == 0, said[-6000:]
        return {host: int(changed) for host, changed in _RECAP.findall(said)}, said

    async def played(self, name: str, *words: str) -> tuple[int, str]:
        """Run a playbook of ours that may fail; its status, and what it said."""
        process = await asyncio.create_subprocess_exec(
            self.ansible.bin / "ansible-playbook", f"wattline.platform.{name}",
            "-i", self.inventory(), *words,
            env=self.ansible.environment(self.folder, self.folder), cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said = (await process.communicate())[0].decode(errors="replace")
        assert process.returncode is not None
        return process.returncode, said

    def inventory(self) -> Path:
        """Server and Pis as an operator names them."""
        lines = [
            "[wattline_server]", self.machines["server"].inventory,
            "[wattline_pi]", *(one.inventory for name, one in self.machines.items() if name != "server"),
        ]  # fmt: skip
        (self.folder / "hosts.ini").write_text("\n".join([*lines, ""]))
        given = {
            "wattline_wheel": str(self.wheel), "wattline_site": "warsaw", "pi_server": "server",
            "server_names": ["server", self.machines["server"].address], "server_zone": "Europe/Warsaw",
            "server_claims": [{"site": "warsaw", "uses": 20, "until": "2030-01-01"}],
            "server_pip_arguments": WHEELS, "pi_pip_arguments": WHEELS,
        }  # fmt: skip
        (self.folder / "group_vars").mkdir(exist_ok=True)
        (self.folder / "group_vars/all.yml").write_text(yaml.safe_dump(given | self.given))
        return self.folder / "hosts.ini"
