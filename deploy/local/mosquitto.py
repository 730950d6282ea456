"""A Mosquitto of one's own: its folder, users, start, end, and reload."""

import asyncio
import secrets
import shutil
import signal
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from broker.mosquitto import (
    ACL_FILE,
    CONFIG_FILE,
    MONITOR,
    PASSWORD_FILE,
    ROLES,
    password_entry,
    render_acl,
    render_config,
)
from broker.topics import Kind, Topics
from deploy.local.answers import mqtt_answers
from deploy.local.process import HOST, ServerError, ServerProcess, free_port, own
from deploy.local.toolchain import Toolchain

_START_S = 20.0
_STOP_S = 30.0
_RELOAD_S = 10.0
_RELOAD_AGAIN_S = 0.5
_RELOAD_POLL_S = 0.01
_KNOCKER = "reload"
"""A user whose password changes with the files: once the new one opens, both files were read again."""
_ATTEMPTS = 8
_TAKEN = "Address already in use"


class MosquittoServer:
    """One Mosquitto on a free port of the loopback, with persistence, a user for each role, and those added.

    `credentials` maps every user to its password. The port stays the same over restarts and kills.
    """

    def __init__(
        self,
        toolchain: Toolchain,
        folder: Path,
        *,
        topics: Topics | None = None,
        users: Mapping[str, str] | None = None,
    ) -> None:
        self.host = HOST
        self.port = 0
        self.folder = folder
        self.topics = topics or Topics()
        self._roots: tuple[Topics, ...] = (self.topics,)
        self._crowd: set[str] = set()
        self._knock = secrets.token_urlsafe(24)
        self._passwords = {role: secrets.token_urlsafe(24) for role in ROLES} | dict(users or {})
        self._entries = {user: password_entry(user, word) for user, word in self._passwords.items()}
        command: list[str | Path] = [toolchain.mosquitto, "-c", folder / CONFIG_FILE]
        # On SIGTERM it saves what it holds, which an owner's death should not lose either.
        self._process = ServerProcess(command, folder, orphan_signal="TERM")

    @property
    def credentials(self) -> Mapping[str, str]:
        """Passwords by user."""
        return MappingProxyType(self._passwords)

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process.running

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid

    @property
    def log_path(self) -> Path:
        """Its log file."""
        return self._process.log_path

    async def start(self) -> None:
        """Start it; another port is tried where one was taken meanwhile. Raises ServerError."""
        if self.running:
            return
        for attempt in range(_ATTEMPTS):
            port = self.port or free_port()
            self._write_files(port)
            try:
                await self._process.start(partial(self._lets_in, port, MONITOR), timeout_s=_START_S)
            except ServerError as error:
                if _TAKEN not in error.log or self.port or attempt == _ATTEMPTS - 1:
                    raise
                continue
            self.port = port
            return

    async def stop(self) -> None:
        """End it cleanly: sessions, queues and retained messages are saved."""
        await self._process.stop(signal.SIGTERM, timeout_s=_STOP_S)

    async def restart(self) -> None:
        """Stop it cleanly and start it again."""
        await self.stop()
        await self.start()

    async def kill(self) -> None:
        """End it as kill -9 does: what was not saved yet is lost, as with a power cut."""
        await self._process.kill()

    async def add_user(self, name: str, password: str) -> None:
        """Let a user in from now on; a known one gets the new password."""
        await self.add_users({name: password})

    async def add_users(self, users: Mapping[str, str]) -> None:
        """Let several users in with one reload."""
        self._entries |= {user: password_entry(user, word) for user, word in users.items()}
        self._passwords |= users
        await self._access_changed()

    async def add_crowd(self, users: Mapping[str, str]) -> None:
        """Let users in who may each speak for every device, with one reload: what a measurement needs, nobody else."""
        self._crowd |= set(users)
        await self.add_users(users)

    async def add_root(self, topics: Topics, users: Mapping[str, str] | None = None) -> None:
        """Grant the same rights below another topic root, and let users in, with one reload."""
        self._roots = (*self._roots, topics)
        await self.add_users(users or {})

    async def remove_root(self, topics: Topics) -> None:
        """Take back what add_root granted, but for the users."""
        self._roots = tuple(other for other in self._roots if other.root != topics.root)
        await self._access_changed()

    def remove_data(self) -> None:
        """Forget all sessions and retained messages; for a server that does not run."""
        if self.running:
            raise ServerError("mosquitto", "still runs")
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _lets_in(self, port: int, user: str) -> bool:
        return await mqtt_answers(self.host, port, user, self._passwords[user])

    async def _access_changed(self) -> None:
        """Write passwords and access list, have them read again (SIGHUP), and wait until they are."""
        if not self.running:
            return
        self._knock = secrets.token_urlsafe(24)
        self._write_access()
        async with asyncio.timeout(_RELOAD_S):
            # Mosquitto forgets a signal that comes while it still deals with the one before: say it again.
            while not await self._reloaded():
                pass

    async def _reloaded(self) -> bool:
        self._process.send(signal.SIGHUP)
        again_s = time.monotonic() + _RELOAD_AGAIN_S
        while time.monotonic() < again_s:
            if await mqtt_answers(self.host, self.port, _KNOCKER, self._knock):
                return True
            await asyncio.sleep(_RELOAD_POLL_S)
        return False

    def _write_files(self, port: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        own(self.folder)
        self._write(CONFIG_FILE, render_config(port, self.folder, host=self.host))
        self._write_access()

    def _write_access(self) -> None:
        spoken_for = [
            f"\nuser {user}\ntopic write {self.topics.every(Kind.READINGS)}\n" for user in sorted(self._crowd)
        ]
        # ahead of the rest, for what follows a user's lines is his
        self._write(ACL_FILE, "".join([*spoken_for, *(render_acl(topics) for topics in self._roots)]))
        entries = [*self._entries.values(), password_entry(_KNOCKER, self._knock)]
        self._write(PASSWORD_FILE, "".join(f"{entry}\n" for entry in entries))

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        growing = path.with_name(f"{name}.new")
        growing.touch(mode=0o600)
        growing.write_text(text)
        own(growing)
        # Renamed into place, so that a reload never reads half a file.
        growing.replace(path)
