"""Settings that every service shares; each service adds its own under the prefix WATTLINE_<SERVICE>_."""

import ssl
import zlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from broker.environment import SettingsBase
from broker.errors import PermanentError
from broker.topics import DEFAULT_ROOT


class BrokerAddress(BaseModel):
    """Where the broker is and how to be let in; a password is given itself or as a file's path."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    """Where the broker listens: a name or an address; several with commas, each with `:port` if it is another one, are
    nodes of a cluster."""
    port: int = Field(default=1883, ge=1, le=65535)
    """1883 without TLS, 8883 with it, as a rule."""
    username: str | None = None
    """Default: `ingestor`, `gateway`, or the device's id."""
    password: SecretStr | None = None
    """As `wattline broker add-user` printed it; a file shows it to fewer eyes."""
    password_file: Path | None = None
    """A file that holds the password, in place of it."""
    tls_ca: Path | None = None
    """A CA certificate file; with it the connection is TLS."""
    root: str = DEFAULT_ROOT
    """What every topic begins with; the same for the whole platform."""

    @field_validator("host")
    @classmethod
    def _hosts_are_addresses(cls, value: str) -> str:
        for part in value.split(","):
            host, port = _host_port(part)
            if not host or (port and not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535)):
                raise ValueError(f"{part.strip()[:80]!r} is no host or host:port; give one, or several with commas")
        return value

    def nodes(self, spread_by: str = "") -> tuple["BrokerAddress", ...]:
        """The address of each node, as given; with a client id, beginning with another one for each client."""
        found = [_host_port(part) for part in self.host.split(",")]
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
            raise PermanentError(f"password_file: {_told(error, self.password_file)}; name a readable file") from error

    def check_ca(self) -> None:
        """See that tls_ca holds certificates. Raises PermanentError."""
        if self.tls_ca is None:
            return
        try:
            ssl.create_default_context(cafile=str(self.tls_ca))
        except ssl.SSLError as error:
            raise PermanentError(
                f"tls_ca: {self.tls_ca} holds no CA certificate ({error.reason}); give a PEM file"
            ) from error
        except OSError as error:
            raise PermanentError(f"tls_ca: {_told(error, self.tls_ca)}; name a readable PEM file") from error


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

    def check_files(self) -> None:
        """See that the files which the settings name can be used. Raises PermanentError with the variable's name."""
        for check in (self.broker.secret, self.broker.check_ca):
            try:
                check()
            except PermanentError as error:
                name, _, told = str(error).partition(": ")
                raise PermanentError(f"{self.model_config['env_prefix']}BROKER__{name.upper()}: {told}") from error


def _host_port(text: str) -> tuple[str, str]:
    """Of `host`, `host:port`, or an IPv6 address, which stands in [ ] where a port follows."""
    text = text.strip()
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = text.partition(":")
    return (host, port) if ":" not in port else (text, "")


def _told(error: Exception, file: Path) -> str:
    """What is wrong with a file, in words."""
    if isinstance(error, UnicodeDecodeError):
        return f"{file} is no text"
    return f"{file}: {error.strerror}" if isinstance(error, OSError) else f"{file}: {error}"
