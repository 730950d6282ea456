"""Mosquitto's configuration file; nothing here does I/O."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker.runtime.settings import BrokerAddress

CONFIG_FILE: Final = "mosquitto.conf"
LOGINS_FILE: Final = "dynamic-security.json"
"""Logins and rights, which the plugin reads at its start and writes with each change; nobody else may then."""
ADMIN_FILE: Final = "admin.password"  # a file's name
"""The password by which `wattline broker` speaks to the running broker."""
ADMIN_CERTIFICATE: Final = "wattline-admin.pem"
"""... and its certificate with key, as `wattline ca service-certificate` writes it, where services log in by theirs."""

MAX_PACKET_BYTES: Final = 1024 * 1024
"""Four times what the contract allows, so that a message which is too large arrives and goes to quarantine."""
MAX_QUEUED_MESSAGES: Final = 1_000_000
"""For one client, on disk and in the broker's memory: the broker is the buffer while the ingestor is down. When full,
Mosquitto drops the newest messages for that client and counts them in `$SYS/broker/publish/messages/dropped`; agents
that get no receipt for them send them again."""
MAX_QUEUED_BYTES: Final = 512 * 2**20
"""The same bound for large messages: a million of the usual 500 bytes. Junk of 256 KiB would else be 250 GiB."""
MAX_DEVICES: Final = 12_000
"""Connections of devices, also those that have said nothing yet: 10 000 devices, and room for connections whose end the
broker has not noticed. Mosquitto ends a connection without a CONNECT, or amid its TLS handshake, after 90 s."""
MAX_SERVICES: Final = 200
"""Connections of services, on a listener of their own: devices that fill theirs take none away."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A listener's certificate and key, and the authority of the certificates that it asks of its clients, if it does.

    They are paths that Mosquitto's account can read.
    """

    certificate: Path
    key: Path
    authority: Path | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """Where clients come in: by name and password, or with `identity` by the CN of their certificate.

    The CN is then the login and the client id as well, whatever the client says, and no password is asked for: only a
    login without a role keeps such a client from everything. By a password Mosquitto itself compares the client id
    with the login's. With `any_client_id` the CN is the login alone: for services, of which one has several
    connections, behind an authority that signs nobody else.
    """

    port: int
    host: str = "127.0.0.1"
    tls: TlsFiles | None = None
    identity: bool = False
    any_client_id: bool = False
    max_connections: int = MAX_DEVICES


def first_listener(text: str, folder: Path) -> BrokerAddress | None:
    """How the first listener of a configuration of ours, which is the services', is reached from this machine.

    With TLS, the authority of the devices' certificates is taken for that of the broker's own as well. Where services
    show certificates, ours is in `folder`.
    """
    _, *blocks = re.split(r"^listener ", text, flags=re.MULTILINE)
    if not blocks:
        return None
    port, host = blocks[0].split("\n", 1)[0].split()
    has_tls, by_certificate = ("\n" + word in blocks[0] for word in ("certfile ", "require_certificate true"))
    authority = re.search(r"^cafile (.+)$", "".join(blocks[1:]), re.MULTILINE) if has_tls else None
    return BrokerAddress(
        host="127.0.0.1" if host in ("0.0.0.0", "::") else host, port=int(port),
        tls_ca=Path(authority[1]) if authority else None,
        tls_certificate=folder / ADMIN_CERTIFICATE if by_certificate else None,
    )  # fmt: skip


def render_config(listeners: Sequence[Listener], folder: Path, plugin: Path) -> str:
    """`mosquitto.conf` for these listeners, whose logins, rights and persistence lie in `folder`."""
    lines = [
        "per_listener_settings false",
        *(line for listener in listeners for line in _listener(listener)),
        "allow_anonymous false",
        "allow_zero_length_clientid false",
        f"plugin {plugin}",
        f"plugin_opt_config_file {folder / LOGINS_FILE}",
        "persistence true",
        # Mosquitto joins location and file name without a separator of its own.
        f"persistence_location {folder}/",
        "persistence_file mosquitto.db",
        "autosave_interval 60",
        "autosave_on_changes false",
        "persistent_client_expiration 30d",
        f"max_queued_messages {MAX_QUEUED_MESSAGES}",
        f"max_queued_bytes {MAX_QUEUED_BYTES}",
        # No memory_limit: the plugin gives back memory that Mosquitto 2.0 did not count, so that after a few changes
        # of logins the count is below nothing, and every client is sent away for want of memory.
        # A client's own receive maximum is the bound (MQTT 5 3.3.4), the ingestor's being its batch.
        "max_inflight_messages 0",
        f"max_packet_size {MAX_PACKET_BYTES}",
        "max_keepalive 600",
        "set_tcp_nodelay true",
        "sys_interval 5",
        # Before 2.0.16 its standard output is buffered where that is no terminal, and says nothing for hours.
        "log_dest stderr",
        # the gateway counts who was let in and who was refused, which no plugin of Mosquitto 2.0 tells
        "log_dest topic",
        "log_timestamp_format %Y-%m-%dT%H:%M:%S",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_type information",
    ]
    return "\n".join(lines) + "\n"


def _listener(listener: Listener) -> list[str]:
    lines = [f"listener {listener.port} {listener.host}", f"max_connections {listener.max_connections}"]
    tls = listener.tls
    if tls is None:
        return lines
    lines += [f"certfile {tls.certificate}", f"keyfile {tls.key}", "tls_version tlsv1.2"]
    if tls.authority is not None:
        lines += [f"cafile {tls.authority}", "require_certificate true"]
    if listener.identity:
        lines += ["use_identity_as_username true"]
        lines += [] if listener.any_client_id else ["use_username_as_clientid true"]
    return lines
