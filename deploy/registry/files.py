"""What the registry reads: its two configurations, and who may publish and who may read."""

import json
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import bcrypt

from broker.errors import PermanentError
from broker.mosquitto.files import replace_file

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,63}")
_COST = 10
"""Of bcrypt: each request of a registry's client is judged anew, 50 ms of a server's processor."""


class Side(StrEnum):
    """Which of the two registries: Pis read at one that takes nothing from anybody."""

    READ = "read"
    PUBLISH = "publish"


class RegistryError(PermanentError):
    """What of a registry a person must act on."""


@dataclass(frozen=True, slots=True)
class Place:
    """A registry's folder: `store` has the images, the rest is what the programs are told."""

    folder: Path
    inside: Path | None = None
    """Where the folder is to the programs, where that is elsewhere: in a container."""

    @property
    def store(self) -> Path:
        """Where the images are."""
        return self.folder / "store"

    @property
    def publishing(self) -> Path:
        """Locked while somebody may publish: nothing is collected meanwhile."""
        return self.folder / "publishing.lock"

    @property
    def certificate(self) -> Path:
        """The registry's certificate, with those above it."""
        return self.folder / "registry.pem"

    @property
    def key(self) -> Path:
        """Its private key."""
        return self.folder / "registry.key"

    def config(self, side: Side) -> Path:
        """One side's configuration."""
        return self.folder / f"{side}.json"

    def users(self, side: Side) -> Path:
        """One side's users, with bcrypt hashes; a change counts from the next request on."""
        return self.folder / f"{side}.htpasswd"


def config(place: Place, side: Side, address: str) -> dict[str, Any]:
    """The configuration of the distribution registry 2.8, whose YAML takes JSON."""
    there = Place(place.inside or place.folder)
    return {
        "version": "0.1",
        "log": {"level": "info", "formatter": "json", "accesslog": {"disabled": side is Side.READ}},
        # without the cache of descriptors: what the other side removes is gone on this side, too
        "storage": {
            "filesystem": {"rootdirectory": str(there.store)},
            "delete": {"enabled": side is Side.PUBLISH},
            "maintenance": {
                "readonly": {"enabled": side is Side.READ},
                "uploadpurging": {"enabled": side is Side.PUBLISH, "age": "24h", "interval": "1h", "dryrun": False},
            },
        },
        "http": {
            "addr": address,
            "relativeurls": True,
            "headers": {"X-Content-Type-Options": ["nosniff"]},
            "tls": {"certificate": str(there.certificate), "key": str(there.key), "minimumtls": "tls1.2"},
        },
        "auth": {"htpasswd": {"realm": f"wattline-{side}", "path": str(there.users(side))}},
        "health": {"storagedriver": {"enabled": True, "interval": "10s", "threshold": 3}},
    }


def write_config(place: Place, side: Side, address: str) -> None:
    """Write one side's configuration and, where there is none, its empty file of users."""
    for path in (place.folder, place.store):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    place.config(side).write_text(json.dumps(config(place, side, address), indent=2) + "\n")
    users = place.users(side)
    if not users.exists():
        replace_file(users, "", None)


def add_user(place: Place, side: Side, name: str) -> str:
    """Let a user in, or give a known one another password; returns the password. Raises RegistryError."""
    if not _NAME.fullmatch(name):
        raise RegistryError(f"{name[:80]!r} is no user's name: letters, digits and ._~-, 64 at most")
    password = secrets.token_urlsafe(24)
    entry = f"{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(_COST)).decode()}"
    _write(place, side, [*(line for line in _lines(place, side) if _user(line) != name), entry])
    return password


def remove_user(place: Place, side: Side, name: str) -> None:
    """Shut a user out. Raises RegistryError where there is none of that name."""
    lines = _lines(place, side)
    kept = [line for line in lines if _user(line) != name]
    if len(kept) == len(lines):
        raise RegistryError(f"no user {name!r} on the side {side}; there are: {', '.join(map(_user, lines)) or 'none'}")
    _write(place, side, kept)


def user_names(place: Place, side: Side) -> list[str]:
    """Who is let in."""
    return [_user(line) for line in _lines(place, side)]


def _user(line: str) -> str:
    return line.partition(":")[0]


def _lines(place: Place, side: Side) -> list[str]:
    try:
        return [line for line in place.users(side).read_text().splitlines() if line]
    except FileNotFoundError as error:
        raise RegistryError(
            f"{place.folder} is no registry's folder: `python -m deploy.registry run` makes one"
        ) from error


def _write(place: Place, side: Side, lines: list[str]) -> None:
    replace_file(place.users(side), "".join(f"{line}\n" for line in lines), None)
