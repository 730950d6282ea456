"""Debian 13's own Python, OpenSSL, its provider and SoftHSM in a root of their own, and an agent that runs in there.

SoftHSM is what a TPM looks like to a program: it speaks PKCS#11, asks for a PIN, and gives no key away.
"""

import asyncio
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.images.bytecode import native
from deploy.images.contents import AGENT, SITE
from deploy.images.python_packages import lay_dependencies
from deploy.local.debian import ProvisionError, Recipe, provide_root
from deploy.local.settings import LocalSettings
from tests.rigs.agent_process import Process

TOP = Path(__file__).resolve().parents[2]
MODULE = "/usr/lib/softhsm/libsofthsm2.so"
LABEL, OBJECT, PIN = "wattline", "device", "123456"


def _prepare(growing: Path, _: Path) -> None:
    (growing / "etc/hosts").write_text("127.0.0.1 localhost\n")
    if not (growing / MODULE[1:]).is_file():
        raise ProvisionError(f"Debian's softhsm2 has no {MODULE} any more")


ROOT = Recipe(
    name="token",
    packages=(
        "base-files",
        "netbase",
        "python3.13-minimal",
        "libpython3.13-stdlib",
        "python3-minimal",
        "pkcs11-provider",
        "softhsm2",
    ),
    unused=("usr/share/doc", "usr/share/man", "usr/share/locale", "var/lib/apt", "var/cache/apt"),
    contents="Python 3.13, OpenSSL's provider for PKCS#11, and SoftHSM (about 30 MB)",
    prepare=_prepare,
)  # fmt: skip


@dataclass
class TokenMachine:
    """A Debian 13 with a token in it. Its folder `home` is the same as seen from inside and from outside."""

    root: Path
    home: Path

    @property
    def uri(self) -> str:
        """The setting."""
        return f"pkcs11:token={LABEL};object={OBJECT}?module-path={MODULE}&pin-source={self.inside('pin')}"

    def inside(self, name: str) -> str:
        """A file of ours as the machine calls it."""
        return f"/{self.home.relative_to(self.root)}/{name}"

    async def run(self, *words: str, check: bool = True) -> str:
        """A command's output."""
        process = await self._started(words, {}, asyncio.subprocess.PIPE)
        said, complaint = await process.communicate()
        assert process.returncode == 0 or not check, complaint.decode()
        return said.decode()

    async def set_up(self) -> None:
        """A new token, in the place of any before."""
        tokens = self.home / "tokens"
        shutil.rmtree(tokens, ignore_errors=True)
        tokens.mkdir()
        (self.home / "softhsm2.conf").write_text(f"directories.tokendir = {self.inside('tokens')}\nlog.level = ERROR\n")
        (self.home / "pin").write_text(PIN + "\n")
        await self.run("softhsm2-util", "--init-token", "--free", "--label", LABEL, "--so-pin", "9876543", "--pin", PIN)

    @contextlib.asynccontextmanager
    async def agent(self, settings: Mapping[str, str]) -> AsyncIterator[Process]:
        """The agent of this checkout; leaving asks it to stop, and sees that it ended well."""
        more = {f"WATTLINE_DEVICE_{name}": value for name, value in settings.items()}
        started = await self._started(("python3", "-P", "-m", "device"), more, None)
        running = Process(started)
        follower = asyncio.create_task(running.follow())
        try:
            yield running
            started.terminate()
            async with asyncio.timeout(60):
                status = await started.wait()
            assert status == 0, "".join(running.log)
        finally:
            if started.returncode is None:
                started.kill()
            await started.wait()
            await follower

    async def _started(self, words: tuple[str, ...], more: Mapping[str, str], out: int | None) -> Any:
        environment = {
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "SOFTHSM2_CONF": self.inside("softhsm2.conf"),
            "PYTHONPATH": f"{self.inside('code')}:{self.inside('libraries')}/{SITE}",
            **more,
        }
        return await asyncio.create_subprocess_exec(
            shutil.which("chroot") or "/usr/sbin/chroot",
            self.root,
            *words,
            env=environment,
            stdout=out,
            stderr=asyncio.subprocess.PIPE,
        )


@contextlib.asynccontextmanager
async def token_machine() -> AsyncIterator[TokenMachine]:
    """One with this checkout's agent, and the libraries that its requirements pin."""
    assert os.geteuid() == 0, "only root changes its root: run this as make test-ops is run"
    root = await asyncio.to_thread(provide_root, ROOT, LocalSettings(), print)
    (root / "srv").mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="wl-", dir=root / "srv"))
    try:
        await asyncio.to_thread(lay_dependencies, AGENT, native(), home / "libraries")
        for name in ("broker", "device", "meters"):
            shutil.copytree(TOP / name, home / "code" / name, ignore=shutil.ignore_patterns("__pycache__"))
        machine = TokenMachine(root, home)
        await machine.set_up()
        yield machine
    finally:
        shutil.rmtree(home)


def said(process: Process, event: str) -> list[dict[str, Any]]:
    """What an agent logged under a name."""
    found = [json.loads(line) for line in process.log if line.startswith("{")]
    return [line for line in found if line.get("event") == event]
