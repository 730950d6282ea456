"""One Mosquitto's folder: its logins and rights, changed in the file while it rests, and by command while it runs."""

import asyncio
import importlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Final

from pydantic import SecretStr

from broker.contract.identity import (
    BRIDGE,
    ENGINEER,
    FOREIGN,
    GATEWAY,
    HOME_ASSISTANT,
    INGESTOR,
    MONITOR,
    OUTLET,
    PLATFORM_PREFIX,
    ROLES,
    SPARKPLUG_HOST,
    check_identity,
    device_of,
    is_reserved,
)
from broker.contract.topics import Topics
from broker.errors import ContractError, PermanentError
from broker.mosquitto.config import ADMIN_FILE, LOGINS_FILE
from broker.mosquitto.dynamic_security import Document, Login, Present, device_login, own_roles, wanted_roles
from broker.mosquitto.files import PASSWORDS_BEFORE, Owner, read_file, replace_file
from broker.mosquitto.passwords import hashed, read_password_file
from broker.mosquitto.rights import ADMIN, DEVICE, Grant, root_of
from broker.runtime.settings import BrokerAddress

SECRET_BYTES = 24
_SERVICES = tuple(f"{PLATFORM_PREFIX}{name}" for name in (INGESTOR, GATEWAY, BRIDGE, OUTLET, "admin"))
"""How client ids of services begin by default, and the login of `wattline broker` itself."""
_BOUND: Final = (ENGINEER, MONITOR, FOREIGN, HOME_ASSISTANT, SPARKPLUG_HOST)
"""Roles of whoever has one client id: the login's name."""


class Changed(Enum):
    """Where a change was made."""

    IN_FILE = "once Mosquitto starts"
    AT_BROKER = "at once"


def login_of(user: str, role: str | None = None) -> Login:
    """The login of a user: of a role, or of a device. Raises ContractError.

    People, watchers, foreign devices and others' systems have one client id, their name, so that none of them can take
    a service's or a device's. Services have several of their own choice. Whoever is no device has a name that no device
    can enrol by: the broker knows a certificate by its name alone.
    """
    check_identity(user)
    if role is not None and not is_reserved(user):
        wanted = f"call it {PLATFORM_PREFIX}{user}"
        raise ContractError(f"{user} may become a device's name, and that device a {role}", field="user", fix=wanted)
    role = role or (user if user in ROLES else None)
    if role in _BOUND and user.startswith(_SERVICES):
        wanted = f"call it {PLATFORM_PREFIX}anna, after who it is"
        raise ContractError(f"{user} is a service's client id, which this {role} would take", field="user", fix=wanted)
    if role is not None:
        return Login(user, (role,), user if role in _BOUND else None)
    if is_reserved(user):
        raise ContractError(f"{user} is the platform's own", field="user", fix="give the device another id")
    return device_login(user)


def check_removable(name: str, at_broker: Present | None) -> None:
    """See that a login is there, and no device's: who lets those in again. Raises PermanentError."""
    if at_broker is None:
        raise PermanentError(f"no login is called {name[:80]!r}")
    if at_broker.is_device:
        device = device_of(name)
        raise PermanentError(
            f"{name} is a device's login: `wattline device revoke {device}` ends it, and keeps it ended"
        )


@dataclass(frozen=True, slots=True)
class Installation:
    """A folder made by `wattline broker config`; `address` is how its broker is reached where it runs.

    Raises OSError for what can't be read or written, and PermanentError for what a person must put right.
    """

    folder: Path
    address: BrokerAddress
    owner: Owner | None = None

    def prepare(self, topics: Topics) -> Changed:
        """Bring all roles up to date; the first time, let in whom a password file of before let in."""
        if self._runs():
            asyncio.run(_running().renew_roles(self._as_admin(), topics))
            return Changed.AT_BROKER
        document = self._document()
        if not (self.folder / LOGINS_FILE).exists():
            for user, password in read_password_file(read_file(self.folder / PASSWORDS_BEFORE)).items():
                login = login_of(user)
                _put_own_role(document, login, topics)
                document.put_login(login, password)
        for role, grants in wanted_roles(topics, document.roles).items():
            document.put_role(role, grants)
        self._put_admin(document)
        replace_file(self.folder / LOGINS_FILE, document.text(), self.owner)
        return Changed.IN_FILE

    def let_in(self, login: Login, password: str | None) -> Changed:
        """Let somebody in with this password; without one by a certificate alone, also who had a password."""
        if self._runs():
            # the broker does not tell, and its file is large
            had_password = password is None and self._document().has_password(login.name)
            asyncio.run(_running().let_in(self._as_admin(), login, password, had_password=had_password))
            return Changed.AT_BROKER
        document = self._document_of_ours()
        _put_own_role(document, login, _topics(document.roles))
        if password is None and document.has_password(login.name):
            document.remove_login(login.name)
        document.put_login(login, hashed(password) if password else None)
        replace_file(self.folder / LOGINS_FILE, document.text(), self.owner)
        return Changed.IN_FILE

    def let_out(self, name: str) -> Changed:
        """Let somebody in no more who is no device; who is connected by that login is cut off."""
        if name == ADMIN:
            raise PermanentError(f"{name} is how `wattline broker` speaks to the broker: it stays")
        if self._runs():
            asyncio.run(_running().let_out(self._as_admin(), name))
            return Changed.AT_BROKER
        document = self._document_of_ours()
        check_removable(name, document.login(name))
        document.remove_login(name)
        replace_file(self.folder / LOGINS_FILE, document.text(), self.owner)
        return Changed.IN_FILE

    def _document(self) -> Document:
        path = self.folder / LOGINS_FILE
        text = read_file(path)
        try:
            return Document.parse(text) if text else Document()
        except PermanentError as error:
            raise PermanentError(f"{path} {error}") from error

    def _document_of_ours(self) -> Document:
        """To change it while no broker runs: one that does would write its own over it."""
        document = self._document()
        if ADMIN in document.logins and not self._admin_password():
            raise PermanentError(
                f"{self.folder / ADMIN_FILE} is missing, so that a running broker can't be told: stop Mosquitto, and"
                " run `wattline broker config` again"
            )
        return document

    def _put_admin(self, document: Document) -> None:
        """Have a login for ourselves, whose password lies beside what it is for."""
        path = self.folder / ADMIN_FILE
        if not self._admin_password() or ADMIN not in document.logins:
            password = secrets.token_urlsafe(SECRET_BYTES)
            document.put_login(Login(ADMIN, (ADMIN,)), hashed(password))
            replace_file(path, f"{password}\n", self.owner)

    def _admin_password(self) -> str:
        return read_file(self.folder / ADMIN_FILE).strip()

    def _as_admin(self) -> BrokerAddress:
        password = SecretStr(self._admin_password())
        return self.address.model_copy(update={"username": ADMIN, "password": password})

    def _runs(self) -> bool:
        """Whether a broker runs on this folder."""
        return bool(self._admin_password()) and asyncio.run(_running().answers(self._as_admin()))


def _running() -> ModuleType:
    """How a running broker is told; a machine that has no MQTT client may still write files for another."""
    try:
        return importlib.import_module("broker.mosquitto.running")
    except ModuleNotFoundError as error:
        raise PermanentError(
            f"the broker can't be asked without the library {error.name}: install wattline[server]"
        ) from error


def _put_own_role(document: Document, login: Login, topics: Topics) -> None:
    for role, grants in own_roles(login, topics).items():
        document.put_role(role, grants)


def _topics(roles: Mapping[str, Iterable[Grant]]) -> Topics:
    """The topics that devices of this installation have. Raises PermanentError where it has no roles yet."""
    root = root_of(grant.topic for grant in roles.get(DEVICE, ()))
    if root is None:
        raise PermanentError("the folder has no roles yet: run `wattline broker config` first")
    return Topics(root)
