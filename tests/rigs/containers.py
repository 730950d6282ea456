"""Containers of our images: podman with runc, with storage of its own, as hosts without systemd let it run."""

import asyncio
import contextlib
import json
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.containers import ContainerTools
from tests.rigs.waiting import until

TIMEOUT_S = 240.0
CONFINED = ("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges")
"""What compose and a Pi give: nothing to write but volumes and folders in memory, no capability."""
_HOST = ("--network=host", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
"""Networks of their own and higher bounds want rights that a container's host itself may lack."""


@dataclass
class Container:
    """A running container; `log` is what it says."""

    podman: "Podman"
    name: str
    log: Path

    @property
    def said(self) -> str:
        """Its output until now."""
        return self.log.read_text(errors="replace")

    async def until_said(self, words: str, timeout_s: float = 120) -> None:
        """Wait until it says this."""
        try:
            await until(lambda: words in self.said, what=f"{words!r} of {self.name}", timeout_s=timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said[-3000:]}") from None


@dataclass
class Podman:
    """Podman on a folder: its images and containers are nobody else's."""

    tools: ContainerTools
    folder: Path
    options: tuple[str, ...] = field(default=())

    def words(self, *words: str) -> list[str]:
        """A command line."""
        folders = [
            f"--{name}={self.folder / place}" for name, place in (("root", "s"), ("runroot", "r"), ("tmpdir", "t"))
        ]
        return [
            str(self.tools.podman), *folders, "--storage-driver=overlay", "--cgroup-manager=cgroupfs",
            f"--runtime={self.tools.runc}", "--events-backend=file", *self.options, *words,
        ]  # fmt: skip

    def call(self, *words: str, status: int = 0) -> str:
        """Run a command to its end; fails where it ends otherwise than told."""
        done = subprocess.run(self.words(*words), capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr if status else done.stdout

    def pull(self, reference: str, *options: str) -> str:
        """Take an image in; returns its id."""
        policy = self.folder / "policy.json"
        policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        return self.call("pull", "--quiet", f"--signature-policy={policy}", *options, reference).strip()

    def run(self, image: str, *words: str, options: Sequence[str] = (), status: int = 0) -> str:
        """Run a container to its end and return what it says."""
        return self.call("run", "--rm", *_HOST, *CONFINED, *options, image, *words, status=status)

    @contextlib.asynccontextmanager
    async def running(
        self, image: str, *words: str, environment: Mapping[str, str], options: Sequence[str] = ()
    ) -> AsyncIterator[Container]:
        """Run a container beside the test; it is stopped at the end, and must then end well."""
        name = f"wattline-{secrets.token_hex(4)}"
        log = self.folder / f"{name}.log"
        given = [f"--env={key}={value}" for key, value in environment.items()]
        command = self.words("run", "--rm", f"--name={name}", *_HOST, *CONFINED, *given, *options, image, *words)
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(*command, stdout=out, stderr=out)
        container = Container(self, name, log)
        try:
            yield container
            await asyncio.to_thread(self.call, "stop", "--time=60", name)
            assert await process.wait() == 0, container.said
        finally:
            if process.returncode is None:
                subprocess.run(  # noqa: ASYNC221 - the test has failed, and this is its end
                    self.words("rm", "--force", "--time=0", name), capture_output=True, check=False, timeout=TIMEOUT_S
                )
                await process.wait()

    def remove(self) -> None:
        """Take all containers, images and volumes away, and the folder."""
        for words in (
            ("rm", "--all", "--force", "--time=0"),
            ("rmi", "--all", "--force"),
            ("volume", "prune", "--force"),
        ):
            subprocess.run(self.words(*words), capture_output=True, check=False, timeout=TIMEOUT_S)
        subprocess.run(["umount", str(self.folder / "s" / "overlay")], capture_output=True, check=False, timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)
