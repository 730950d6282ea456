"""Mosquitto's configuration, access list and password file, rendered from the contract; nothing here does I/O."""

import base64
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from broker.errors import ContractError
from broker.topics import DEVICE_WRITES, NAME, Kind, Topics

CONFIG_FILE = "mosquitto.conf"
ACL_FILE = "acl"
PASSWORD_FILE = "passwords"  # noqa: S105  (a file's name)

INGESTOR = "ingestor"
GATEWAY = "gateway"
ENGINEER = "engineer"
MONITOR = "monitor"
ROLES = (INGESTOR, GATEWAY, ENGINEER, MONITOR)
"""The users that are no devices. Every device's user name is its device id, so no device may have one of these ids:
the access list's patterns hold for role users too, and would let them write as that device."""

MINIMUM = (2, 0, 16)
"""The first version that tells an agent that another took its id (2.0.15: before it, two of one id fight on) and that
gives strangers without a password no memory (CVE-2023-0809)."""
_VERSION = re.compile(r"mosquitto version (\d+)\.(\d+)(?:\.(\d+))?")
MAX_PACKET_BYTES = 1024 * 1024
"""Four times what the contract allows, so that a message which is too large arrives and goes to quarantine."""
MAX_QUEUED_MESSAGES = 1_000_000
"""For one client, on disk and in the broker's memory: the broker is the buffer while the ingestor is down. When full,
Mosquitto drops the newest messages for that client and counts them in `$SYS/broker/publish/messages/dropped`."""
PBKDF2_ITERATIONS = 101
"""Mosquitto's own default. Device passwords are long and random, and a fleet that reconnects must not pay for more."""
_SALT_BYTES = 12
_ANY = "+"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The listener's certificate, key and trust, as paths that Mosquitto's account can read."""

    certificate: Path
    key: Path
    authority: Path
    require_client_certificate: bool = False


def render_config(port: int, folder: Path, *, host: str = "127.0.0.1", tls: TlsFiles | None = None) -> str:
    """`mosquitto.conf` for one listener whose access list, passwords and persistence lie in `folder`."""
    lines = [
        "per_listener_settings false",
        f"listener {port} {host}",
        *(_tls(tls) if tls else ()),
        "allow_anonymous false",
        "allow_zero_length_clientid false",
        f"password_file {folder / PASSWORD_FILE}",
        f"acl_file {folder / ACL_FILE}",
        "persistence true",
        # Mosquitto joins location and file name without a separator of its own.
        f"persistence_location {folder}/",
        "persistence_file mosquitto.db",
        "autosave_interval 60",
        "autosave_on_changes false",
        "persistent_client_expiration 30d",
        f"max_queued_messages {MAX_QUEUED_MESSAGES}",
        "max_queued_bytes 0",
        # A client's own receive maximum is the bound (MQTT 5 3.3.4), the ingestor's being its batch.
        "max_inflight_messages 0",
        f"max_packet_size {MAX_PACKET_BYTES}",
        "max_keepalive 600",
        "set_tcp_nodelay true",
        "sys_interval 5",
        # Before 2.0.16 its standard output is buffered where that is no terminal, and says nothing for hours.
        "log_dest stderr",
        "log_timestamp_format %Y-%m-%dT%H:%M:%S",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_type information",
    ]
    return "\n".join(lines) + "\n"


def render_acl(topics: Topics) -> str:
    """The access list: a part for each role, then the patterns by which a device keeps to its own topics.

    Mosquitto applies it to each message and not to the subscription, so a filter that is too wide succeeds and
    yields only what is allowed, and a shared subscription (`$share/group/filter`) is judged by its messages' topics.
    """
    roles = {
        INGESTOR: [("read", topics.everything()), ("read", "$SYS/#"), ("write", topics.every(Kind.RECEIPTS))],
        GATEWAY: [
            *(("read", topics.every(kind)) for kind in (Kind.STATUS, Kind.REGISTRATION, Kind.REPORTED)),
            *(("read", topics.every(kind)) for kind in (Kind.REPLIES, Kind.EVENTS)),
            *(("readwrite", topics.every(kind)) for kind in (Kind.DESIRED, Kind.SPEC)),
            ("write", topics.every(Kind.COMMAND)),
        ],
        ENGINEER: [
            ("read", topics.everything()),
            *(("write", topics.every(kind)) for kind in (Kind.DESIRED, Kind.SPEC)),
        ],
        MONITOR: [("read", topics.everything()), ("read", "$SYS/#")],
    }
    lines: list[str] = []
    for user, rules in roles.items():
        lines += [f"user {user}", *(f"topic {access} {topic}" for access, topic in rules), ""]
    lines += [f"pattern write {_own(topics, kind)}" for kind in DEVICE_WRITES]
    lines += [
        f"pattern read {_own(topics, Kind.DESIRED)}",
        f"pattern read {_own(topics, Kind.RECEIPTS)}",
        f"pattern read {_own(topics, Kind.COMMAND).removesuffix(_ANY)}#",
        f"pattern read {topics.every(Kind.SPEC)}",
    ]
    return "\n".join(lines) + "\n"


def version_of(text: str) -> tuple[int, ...] | None:
    """The version out of what Mosquitto says of itself (`-h`, `$SYS/broker/version`), or None if it is no Mosquitto."""
    found = _VERSION.search(text)
    return tuple(int(part or 0) for part in found.groups()) if found else None


def version_fault(text: str) -> str | None:
    """Why the Mosquitto that says this of itself is too old, or None; what is no Mosquitto is not judged."""
    version = version_of(text)
    if version is None or version >= MINIMUM:
        return None
    dotted, least = (".".join(map(str, each)) for each in (version, MINIMUM))
    return f"Mosquitto {dotted}, {least} or later is wanted (an older one lets two agents of one id fight on)"


def password_entry(user: str, password: str, *, salt: bytes | None = None, iterations: int = PBKDF2_ITERATIONS) -> str:
    """One line of Mosquitto 2's password file: PBKDF2 with SHA-512 over a 12 byte salt, random where not given.

    Raises ContractError for a user that could be no device id, or an empty password.
    """
    if not NAME.fullmatch(user):
        raise ContractError(f"{user[:80]!r} is no user name", field="user", fix="1 to 64 letters, digits, . _ -")
    if not password:
        raise ContractError("is empty", field="password", fix="give at least one character")
    salt = os.urandom(_SALT_BYTES) if salt is None else salt
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)
    return f"{user}:$7${iterations}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def render_passwords(users: dict[str, str]) -> str:
    """The whole password file for these users and their passwords."""
    return "".join(password_entry(user, password) + "\n" for user, password in users.items())


def _own(topics: Topics, kind: Kind) -> str:
    """A kind's filter with Mosquitto's placeholder for the user name in place of the device."""
    return topics.every(kind).replace(f"/{_ANY}/", "/%u/", 1)


def _tls(tls: TlsFiles) -> list[str]:
    return [
        f"cafile {tls.authority}",
        f"certfile {tls.certificate}",
        f"keyfile {tls.key}",
        "tls_version tlsv1.2",
        f"require_certificate {str(tls.require_client_certificate).lower()}",
    ]
