"""A repository of an operator's own, out of which Pis that nobody reaches set themselves up: docs/OPERATIONS.md."""

import asyncio
import re
import shutil
import subprocess
from pathlib import Path

from tests.rigs.machines import Machine
from tests.rigs.playing import WHEELS, Playing

_PLAY = f"""- import_playbook: wattline.platform.pull
  vars:
    wattline_wheel: /srv/pis/WHEEL
    wattline_authority: /srv/pis/root.pem
    pi_server: server
    pi_pip_arguments: {WHEELS}
"""
_SERVE = """set -eu
apt-get install -q -y --no-install-recommends git >&2
systemd-run --unit=pis git daemon --reuseaddr --export-all --base-path=/srv/shared
"""
_RECAP = re.compile(r"localhost\s+: ok=\d+\s+changed=(\d+)\s+unreachable=0\s+failed=0 ")


def _git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, timeout=60)


async def serve_repository(server: Machine, playing: Playing, shared: Path) -> None:
    """Commit collection, wheel, authority and playbook, and have the server hand them out by git's own protocol."""
    folder = shared / "pis"
    folder.mkdir()
    shutil.copytree(playing.folder / "ansible_collections", folder / "collections/ansible_collections")
    shutil.copy(playing.wheel, folder)
    (folder / "root.pem").write_text(await server.run("cat /var/lib/wattline-gateway/ca/root.pem"))
    (folder / "pull.yml").write_text(_PLAY.replace("WHEEL", playing.wheel.name))
    for words in (("init", "-q", "-b", "main"), ("add", "--all"), ("commit", "-q", "-m", "the beginning")):
        await asyncio.to_thread(_git, folder, *words)
    await server.run(_SERVE)


async def pulled(pi: Machine) -> int:
    """Have a Pi pull and play; how many things changed."""
    said = await pi.run("ansible-pull -U git://server/pis -d /srv/pis pull.yml", timeout_s=1200)
    found = _RECAP.search(said)
    assert found, said[-6000:]
    return int(found[1])
