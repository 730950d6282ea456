"""Logins and rights in the words of Mosquitto's dynamic security plugin: its file, and its commands; no I/O."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from broker.contract.identity import device_of
from broker.contract.topics import Topics
from broker.errors import PermanentError
from broker.mosquitto.passwords import PasswordHash
from broker.mosquitto.rights import DEVICE, Act, Grant, device_grants, device_of_role, own_role, role_grants

Command = dict[str, Any]
"""One command of the control topic; what it answers to is in the plugin's README."""
_DENIED: Final = {"publishClientSend": False, "publishClientReceive": False, "subscribe": False, "unsubscribe": False}


@dataclass(frozen=True, slots=True)
class Login:
    """Who may log in; `client_id` is the only one that it may have, any where None.

    Without a password it can log in by a certificate alone.
    """

    name: str
    roles: tuple[str, ...]
    client_id: str | None = None


def device_login(identity: str) -> Login:
    """The login of a device by one of its identities: with the device's own rights, and its own name as client id."""
    return Login(identity, (DEVICE, own_role(device_of(identity))), identity)


def own_roles(login: Login, topics: Topics) -> dict[str, tuple[Grant, ...]]:
    """The role that a device's login has to itself, with what it may do; nothing for others."""
    if DEVICE not in login.roles:
        return {}
    device = device_of(login.name)
    return {own_role(device): device_grants(topics, device)}


def wanted_roles(topics: Topics, present: Iterable[str]) -> dict[str, tuple[Grant, ...]]:
    """All roles as they are to be, with those of the devices that have one."""
    devices = [device for role in present if (device := device_of_role(role)) is not None]
    return role_grants(topics) | {own_role(device): device_grants(topics, device) for device in devices}


@dataclass(frozen=True, slots=True)
class Present:
    """A login as a broker has it."""

    login: Login
    disabled: bool = False

    @property
    def is_device(self) -> bool:
        """Whether it has what all devices share."""
        return DEVICE in self.login.roles


def present(client: Mapping[str, Any]) -> Present:
    """A login, by its JSON."""
    roles = tuple(sorted(role["rolename"] for role in client.get("roles", ())))
    return Present(Login(client["username"], roles, client.get("clientid") or None), bool(client.get("disabled")))


class Document:
    """The plugin's file, to be changed while no broker runs on it; what we do not know of it is kept."""

    def __init__(self, tree: Mapping[str, Any] | None = None) -> None:
        self._rest = dict(tree or {"defaultACLAccess": dict(_DENIED)})
        # by name, as a fleet is let in one by one
        self._clients = {str(each.get("username")): each for each in self._rest.pop("clients", ())}
        self._roles = {str(each.get("rolename")): each for each in self._rest.pop("roles", ())}

    @classmethod
    def parse(cls, text: str) -> Self:
        """A file's text. Raises PermanentError for what is no such document."""
        try:
            tree = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise PermanentError(f"is no JSON ({error}); restore it from a backup, or remove it") from error
        if not isinstance(tree, dict) or not all(isinstance(tree.get(part, []), list) for part in ("clients", "roles")):
            raise PermanentError("holds no logins of Mosquitto's plugin; restore it from a backup, or remove it")
        return cls(tree)

    @property
    def tree(self) -> dict[str, Any]:
        """The document as JSON."""
        return {**self._rest, "clients": [*self._clients.values()], "roles": [*self._roles.values()]}

    @property
    def logins(self) -> frozenset[str]:
        """The names of all logins."""
        return frozenset(self._clients)

    @property
    def roles(self) -> dict[str, frozenset[Grant]]:
        """What each role may do."""
        return roles_of(self._roles.values())

    def put_role(self, name: str, grants: Iterable[Grant]) -> None:
        """Let a role have these grants and no others."""
        self._roles[name] = _role(name, grants)

    def put_login(self, login: Login, password: PasswordHash | None = None) -> None:
        """Let somebody in, who keeps the password of before where none is given."""
        before = self._clients.get(login.name, {})
        secret = {name: before[name] for name in ("password", "salt", "iterations") if name in before}
        if password is not None:
            secret = {"password": password.key, "salt": password.salt, "iterations": password.iterations}
        kept = {"disabled": True} if before.get("disabled") else {}
        self._clients[login.name] = _client(login) | secret | kept

    def login(self, name: str) -> Present | None:
        """One login; None where there is none of that name."""
        return present(self._clients[name]) if name in self._clients else None

    def has_password(self, name: str) -> bool:
        """Whether a login of this name has a password."""
        return "password" in self._clients.get(name, {})

    def remove_login(self, name: str) -> None:
        """Let somebody in no more."""
        del self._clients[name]

    def text(self) -> str:
        """The file's text."""
        return json.dumps(self.tree, separators=(",", ":")) + "\n"


@dataclass(frozen=True, slots=True)
class Held:
    """What a broker has: the names of its logins and of its roles."""

    logins: frozenset[str]
    roles: frozenset[str]


def roles_of(found: Iterable[Mapping[str, Any]]) -> dict[str, frozenset[Grant]]:
    """What roles may do, by their JSON; what is of an act that we do not use is left out."""
    acts = set(Act)
    return {
        str(role.get("rolename")): frozenset(
            Grant(Act(acl["acltype"]), acl["topic"], allow=bool(acl.get("allow")))
            for acl in role.get("acls", ())
            if acl.get("acltype") in acts
        )
        for role in found
    }


LIST: Final[tuple[Command, Command]] = ({"command": "listClients"}, {"command": "listRoles"})
"""Asks for what a broker has."""


def held(answers: Sequence[Mapping[str, Any]]) -> Held:
    """Out of the answers to LIST."""
    clients, roles = (answer.get("data", {}) for answer in answers)
    return Held(frozenset(clients.get("clients", ())), frozenset(roles.get("roles", ())))


def put_role(name: str, grants: Iterable[Grant], of: Held) -> Command:
    """Let a role have these grants and no others; clients stay connected."""
    return {"command": "modifyRole" if name in of.roles else "createRole", **_role(name, grants)}


def put_login(login: Login, password: str | None, of: Held) -> list[Command]:
    """Let somebody in; where the login is there, all of it changes, and who is connected by it is cut off.

    The roles must be there. Without a password a login that is there stays as it is.
    """
    if login.name not in of.logins:
        secret = {} if password is None else {"password": password}
        return [{"command": "createClient", **_client(login), **secret}]
    if password is None:
        return []
    # an empty client id takes the one of before away
    return [{"command": "modifyClient", "clientid": "", **_client(login), "password": password}]


def mend_login(login: Login) -> list[Command]:
    """Give a login that is there the roles and the client id that it is to have; its password stays.

    Who is connected by it is cut off, and comes again.
    """
    return [{"command": "modifyClient", **_client(login)}, {"command": "enableClient", "username": login.name}]


def remove_login(name: str) -> Command:
    """Let somebody in no more; who is connected by this login is cut off.

    It is removed and not disabled: a certificate's login is not asked whether it is disabled, but has no rights where
    it is not there.
    """
    return {"command": "deleteClient", "username": name}


def _role(name: str, grants: Iterable[Grant]) -> dict[str, Any]:
    # the plugin takes the first of one act and topic, and of several that fit the one of the highest priority
    acls = [
        {"acltype": str(grant.act), "topic": grant.topic, "allow": grant.allow}
        | ({} if grant.allow else {"priority": 1})
        for grant in dict.fromkeys(grants)
    ]
    return {"rolename": name, "acls": acls}


def _client(login: Login) -> dict[str, Any]:
    bound = {} if login.client_id is None else {"clientid": login.client_id}
    return {"username": login.name, **bound, "roles": [{"rolename": role} for role in login.roles]}
