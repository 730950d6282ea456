"""Settings that every service shares; each service adds its own under the prefix WATTLINE_<SERVICE>_."""

import ipaddress
import ssl
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, field_validator

from broker.contract.address import host_port, known_nodes
from broker.contract.identity import PLATFORM_PREFIX
from broker.contract.topics import DEFAULT_ROOT
from broker.errors import PermanentError
from broker.runtime.environment import SettingsBase
from broker.runtime.trust import DOUBT, ClockDoubt, client_context


def _no_device_s(client_id: str) -> str:
    if not client_id.startswith(PLATFORM_PREFIX):
        raise ValueError(
            f"{client_id[:80]!r} may become a device's name, and that device then push this service out of the broker; "
            f"call it {PLATFORM_PREFIX}{client_id[:60]}"
        )
    return client_id


ServiceClientId = Annotated[str, AfterValidator(_no_device_s)]
"""A service's client id: one that no device can enrol by, as the broker takes a certificate's name for a client id."""


class BrokerAddress(BaseModel):
    """Where the broker is and how to be let in; a password is given itself or as a file's path."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    """Where the broker listens: a name or an address; several with commas, each with `:port` if it is another one, are
    nodes of a cluster."""
    port: int = Field(default=1883, ge=1, le=65535)
    """1883 without TLS, 8883 with it, as a rule."""
    username: str | None = None
    """Left out, the service's own: `ingestor`, `gateway`, `worker`, `bridge`, `outlet`; a device's is its id."""
    password: SecretStr | None = None
    """As `wattline broker add-user` printed it; a file shows it to fewer eyes."""
    password_file: Path | None = None
    """A file that holds the password, in place of it."""
    tls_ca: Path | None = None
    """A CA certificate file; with it the connection is TLS."""
    tls_certificate: Path | None = None
    """A PEM file with our own certificate and those above it, by which the broker knows us; no password is needed."""
    tls_key: Path | None = None
    """Its private key, where that is not in the same file."""
    plaintext: bool = False
    """Let the password cross a network without TLS, where everybody on the way can read it. On this machine it may."""
    root: str = DEFAULT_ROOT
    """What every topic begins with; the same for the whole platform."""

    _doubt: ClockDoubt = PrivateAttr(default_factory=lambda: DOUBT)

    @property
    def doubt(self) -> ClockDoubt:
        """Whether this machine's clock may judge the times of this broker's certificates."""
        return self._doubt

    def told(self, changes: Mapping[str, object]) -> "BrokerAddress":
        """Another address, whose authority moves no other connection of this process to doubt the clock."""
        return self.model_copy(update=changes).judged_by(ClockDoubt(beside=DOUBT))

    def judged_by(self, doubt: ClockDoubt) -> "BrokerAddress":
        """This address, with its own judgement of whether the clock may judge."""
        self._doubt = doubt
        return self

    @field_validator("host")
    @classmethod
    def _hosts_are_addresses(cls, value: str) -> str:
        return known_nodes(value)

    def nodes(self, spread_by: str = "") -> tuple["BrokerAddress", ...]:
        """The address of each node, as given; with a client id, beginning with another one for each client."""
        found = [host_port(part) for part in self.host.split(",")]
        nodes = [self.model_copy(update={"host": host, "port": int(port or self.port)}) for host, port in found]
        first = zlib.crc32(spread_by.encode()) % len(nodes)
        return (*nodes[first:], *nodes[:first])

    def as_user(self, name: str) -> "BrokerAddress":
        """The same address for a user: the one set, or `name` where none is."""
        return self if self.username is not None else self.model_copy(update={"username": name})

    def secret(self) -> str | None:
        """The password, read from its file where one is named. Raises PermanentError if the file can't be read."""
        if self.password is not None:
            return self.password.get_secret_value()
        if self.password_file is None:
            return None
        try:
            return self.password_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise PermanentError(
                f"password_file: {_explained(error, self.password_file)}; name a readable file"
            ) from error

    def tls(self) -> ssl.SSLContext | None:
        """What TLS needs, read anew; None without tls_ca. Raises PermanentError that names the setting."""
        if self.tls_ca is not None:
            return client_context(self.tls_ca, self.tls_certificate, self.tls_key, self._doubt)
        if self.tls_certificate is not None:
            raise PermanentError("tls_ca: our own certificate is shown over TLS only; name the broker's CA file, too")
        return None

    def check_plaintext(self) -> None:
        """See that no password leaves this machine without TLS, unless it is said to. Raises PermanentError."""
        if self.tls_ca is not None or self.plaintext or not self.secret():
            return
        away = next((node.host for node in self.nodes() if not is_loopback(node.host)), None)
        if away is not None:
            raise PermanentError(
                f"tls_ca: the password would go to {away} without TLS, for everybody on the way to read; give the CA "
                "file of the broker's certificate, or set PLAINTEXT=true beside it where that network is trusted"
            )


class ProcessSettings(SettingsBase):
    """What every service can be told, with or without a broker. Nested fields are written BROKER__HOST."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important messages that are logged."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """`auto` is console on a terminal, else JSON lines."""
    http_host: str = "127.0.0.1"
    """The address on which http_port is opened."""
    http_port: int = Field(default=0, ge=0, le=65535)
    """Port of /healthz and /metrics; 0 takes a free one, which the log names."""

    def variable(self, field: str) -> str:
        """The environment variable of a field."""
        return f"{self.model_config.get('env_prefix', '')}{field.upper()}"

    def check_files(self) -> None:
        """See that the files which the settings name can be used. Raises PermanentError with the variable's name."""


class ServiceSettings(ProcessSettings):
    """What every service at the broker can be told."""

    broker: BrokerAddress = BrokerAddress()

    def logs_in_by_password(self) -> bool:
        """Whether the broker is shown the password, where there is one."""
        return True

    def check_files(self) -> None:
        """See that the files which the settings name can be used. Raises PermanentError with the variable's name."""
        checks = [self.broker.secret, self.broker.tls]
        if self.logs_in_by_password():
            checks.append(self.broker.check_plaintext)
        for check in checks:
            try:
                check()
            except PermanentError as error:
                name, _, text = str(error).partition(": ")
                raise PermanentError(f"{self.model_config['env_prefix']}BROKER__{name.upper()}: {text}") from error


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only; of names only localhost is believed to be."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _explained(error: Exception, file: Path) -> str:
    """What is wrong with a file, in words."""
    if isinstance(error, UnicodeDecodeError):
        return f"{file} is no text"
    return f"{file}: {error.strerror}" if isinstance(error, OSError) else f"{file}: {error}"
