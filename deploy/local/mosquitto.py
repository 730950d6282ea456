"""A Mosquitto of one's own: its folder, logins, start and end."""

import secrets
import shutil
import signal
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from pydantic import SecretStr

from broker.contract.identity import GATEWAY, INGESTOR, ROLES
from broker.contract.topics import Kind, Topics
from broker.mosquitto.config import ADMIN_FILE, CONFIG_FILE, LOGINS_FILE, MAX_DEVICES, Listener, TlsFiles, render_config
from broker.mosquitto.control import Control
from broker.mosquitto.dynamic_security import Document, Login, device_login, put_login, put_role, remove_login
from broker.mosquitto.installation import login_of
from broker.mosquitto.passwords import hashed
from broker.mosquitto.rights import ADMIN, Act, Grant, device_grants, own_role, role_grants
from broker.runtime.settings import BrokerAddress
from deploy.local.answers import mqtt_answers
from deploy.local.certificates import BrokerCertificates
from deploy.local.process import HOST, ServerError, ServerProcess, free_port, own
from deploy.local.toolchain import Toolchain

_START_S = 60.0
_STOP_S = 30.0
_ATTEMPTS = 8
_TAKEN = "Address already in use"
SERVICES = (INGESTOR, GATEWAY, ADMIN)
"""Who logs in by a certificate of the services' authority."""
_CROWD = "crowd"
"""The role of those who speak for every device."""


def _as_role(name: str, role: str) -> Login:
    return Login(name, (role,)) if role == _CROWD else login_of(name, role)


class MosquittoServer:
    """One Mosquitto on a free port of the loopback, with persistence, a login for each role, and those added.

    `credentials` maps every login to its password. The port stays the same over restarts and kills, and so do logins
    and rights, which the broker itself keeps. Services come over TLS on `services_port`, by
    certificates of an authority of their own; by their passwords they may come as all others do. With `tls` devices
    come in on `device_port`, by their certificates, and whoever has a password over TLS on `password_port`.
    """

    def __init__(
        self,
        toolchain: Toolchain,
        folder: Path,
        *,
        topics: Topics | None = None,
        users: Mapping[str, str] | None = None,
        tls: TlsFiles | None = None,
    ) -> None:
        self.host = HOST
        self.port = 0
        self.device_port = 0
        self.password_port = 0
        self.services_port = 0
        self.folder = folder
        self.topics = topics or Topics()
        self._plugin = toolchain.plugin
        self._tls = tls
        self.certificates = BrokerCertificates(folder, tls)
        self._roots: tuple[Topics, ...] = (self.topics,)
        self._logins: dict[str, Login] = {name: Login(name, (name,)) for name in (*ROLES, ADMIN)}
        self._passwords = {name: secrets.token_urlsafe(24) for name in self._logins}
        self._enter(users or {})
        self._unwritten = set(self._logins)
        command: list[str | Path] = [toolchain.mosquitto, "-c", folder / CONFIG_FILE]
        # On SIGTERM it saves what it holds, which an owner's death should not lose either.
        self._process = ServerProcess(command, folder, orphan_signal="TERM")

    @property
    def credentials(self) -> Mapping[str, str]:
        """Passwords by login."""
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

    def address(self, login: str) -> BrokerAddress:
        """How a login reaches it: a service by its certificate, all others by their passwords."""
        if login not in SERVICES:
            return self.by_password(login)
        return BrokerAddress(
            host=self.host, port=self.services_port, root=self.topics.root, tls_ca=self.certificates.shown.authority,
            tls_certificate=self.certificates.services.of(login),
        )  # fmt: skip

    def by_password(self, login: str) -> BrokerAddress:
        """How any login reaches it with its password, without TLS."""
        password = SecretStr(self._passwords[login])
        return BrokerAddress(host=self.host, port=self.port, username=login, password=password, root=self.topics.root)

    async def start(self) -> None:
        """Start it; another port is tried where one was taken meanwhile. Raises ServerError."""
        if self.running:
            return
        for attempt in range(_ATTEMPTS):
            port = self.port or free_port()
            services_port = self.services_port or free_port()
            device_port = self.device_port or (free_port() if self._tls is not None else 0)
            password_port = self.password_port or (free_port() if self._tls is not None else 0)
            self._write_files(port, services_port, device_port, password_port)
            try:
                await self._process.start(partial(self._lets_in, port), timeout_s=_START_S)
            except ServerError as error:
                if _TAKEN not in error.log or self.port or attempt == _ATTEMPTS - 1:
                    raise
                continue
            self.port, self.services_port = port, services_port
            self.device_port, self.password_port = device_port, password_port
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
        """Let a device in from now on; a known one gets the new password."""
        await self.add_users({name: password})

    async def add_users(self, users: Mapping[str, str], *, role: str | None = None, bound: bool = True) -> None:
        """Let several devices in, or people and services of a role.

        A device's client id is its name; one that is not `bound` may have any, for whoever plays several sides of it.
        """
        self._enter(users, role, bound=bound)
        await self._change(users)

    async def add_crowd(self, users: Mapping[str, str]) -> None:
        """Let users in who may each speak for every device: what a measurement needs, nobody else."""
        await self.add_users(users, role=_CROWD)

    async def add_root(self, topics: Topics, users: Mapping[str, str] | None = None) -> None:
        """Grant the same rights below another topic root to roles and to devices that are added from now on."""
        self._roots = (*self._roots, topics)
        self._enter(users or {})
        await self._change(users or {}, roles=True)

    async def remove_root(self, topics: Topics) -> None:
        """Take back what add_root granted to roles; forget all logins that were added, and throw them out."""
        self._roots = tuple(other for other in self._roots if other.root != topics.root)
        for name in self._logins.keys() - {*ROLES, ADMIN}:
            del self._logins[name], self._passwords[name]
        async with Control.open(self.address(ADMIN), f"{ADMIN}-{secrets.token_hex(4)}") as control:
            held = await control.held()
            commands = [put_role(role, some, held) for role, some in self._roles().items()]
            await control.run([*commands, *(remove_login(name) for name in held.logins - self._logins.keys())])

    def remove_data(self) -> None:
        """Forget all sessions and retained messages; for a server that does not run."""
        if self.running:
            raise ServerError("mosquitto", "still runs")
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _lets_in(self, port: int) -> bool:
        return await mqtt_answers(self.host, port, ADMIN, self._passwords[ADMIN])

    def _enter(self, users: Mapping[str, str], role: str | None = None, *, bound: bool = True) -> None:
        for name in users:
            known = self._logins.get(name)
            as_role = _as_role(name, role) if role else known if known and name in ROLES else None
            device = device_login(name)
            self._logins[name] = as_role or (device if bound else replace(device, client_id=None))
        self._passwords |= users

    async def _change(self, names: Iterable[str], *, roles: bool = False) -> None:
        """Have the broker let these in, with their present rights, at once where it runs."""
        if not self.running:
            self._unwritten |= set(names)
            return
        async with Control.open(self.address(ADMIN), f"{ADMIN}-{secrets.token_hex(4)}") as control:
            held = await control.held()
            grants = {role: some for role, some in self._roles().items() if roles or role not in held.roles}
            grants |= self._own_roles(names)
            commands = [put_role(role, some, held) for role, some in grants.items()]
            for name in names:
                commands += put_login(self._logins[name], self._passwords[name], held)
            await control.run(commands)

    def _roles(self) -> dict[str, list[Grant]]:
        """What each role may do below all roots."""
        granted: dict[str, list[Grant]] = {}
        for topics in self._roots:
            for role, grants in role_grants(topics).items():
                granted.setdefault(role, []).extend(grants)
        granted[_CROWD] = [Grant(Act.PUBLISH, topics.every(Kind.READINGS)) for topics in self._roots]
        return granted

    def _own_roles(self, names: Iterable[str]) -> dict[str, list[Grant]]:
        """What the devices among these may do below all roots."""
        devices = [name for name in names if own_role(name) in self._logins[name].roles]
        return {
            own_role(name): [grant for topics in self._roots for grant in device_grants(topics, name)]
            for name in devices
        }

    def _write_files(self, port: int, services_port: int, device_port: int, password_port: int) -> None:
        if self._plugin is None:
            raise ServerError("mosquitto", "has no dynamic security plugin: install Debian's package mosquitto")
        fresh = not self.folder.exists()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        own(self.folder)
        listeners = [Listener(port, self.host)]
        of_services = replace(self.certificates.shown, authority=self.certificates.services.authority)
        listeners.append(Listener(services_port, self.host, of_services, identity=True, any_client_id=True))
        if self._tls is not None:
            listeners.append(Listener(device_port, self.host, self._tls, identity=True, max_connections=MAX_DEVICES))
            listeners.append(Listener(password_port, self.host, TlsFiles(self._tls.certificate, self._tls.key)))
        self._write(CONFIG_FILE, render_config(listeners, self.folder, self._plugin))
        # `wattline broker add-user` of whoever tries things out asks the broker itself by it
        self._write(ADMIN_FILE, f"{self._passwords[ADMIN]}\n")
        self._write_logins(set(self._logins) if fresh else self._unwritten)
        self._unwritten = set()

    def _write_logins(self, names: Iterable[str]) -> None:
        """Let these in; whom the broker lost of the others, by a command of somebody's, stays out."""
        path = self.folder / LOGINS_FILE
        document = Document.parse(path.read_text()) if path.exists() else Document()
        for role, grants in (self._roles() | self._own_roles(names)).items():
            document.put_role(role, grants)
        for name in names:
            document.put_login(self._logins[name], hashed(self._passwords[name]))
        self._write(LOGINS_FILE, document.text())

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        growing = path.with_name(f"{name}.new")
        growing.unlink(missing_ok=True)
        growing.touch(mode=0o600)
        growing.write_text(text)
        own(growing)
        growing.replace(path)
