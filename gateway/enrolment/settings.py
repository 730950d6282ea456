"""Settings of the certificate authority and of enrolment, parts of the gateway's."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from broker.errors import PermanentError
from broker.runtime.environment import NoDecode
from gateway.enrolment.host_names import HERE, own_names


class CaSettings(BaseModel):
    """Which authority signs: the embedded one of a folder, or another one behind a command."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path | None = None
    """The embedded authority's folder, made where it is empty; with it devices can enrol. Several gateways
    have the same."""
    passphrase: SecretStr | None = None
    """What the authority's keys are behind; a file shows it to fewer eyes."""
    passphrase_file: Path | None = None
    """A file that holds the passphrase, in place of it."""
    command: str | None = None
    """Another authority in place of the embedded one: a program that is given a request (PEM) and prints the
    certificate and those above it; {identity} and {seconds} in its words are the name and life that it must give."""
    authority: Path | None = None
    """With COMMAND: PEM file with that authority's root and intermediates."""

    @model_validator(mode="after")
    def _one_authority(self) -> "CaSettings":
        if self.command is not None and self.folder is not None:
            raise ValueError("COMMAND and FOLDER name two authorities; leave one of them out")
        if (self.command is None) != (self.authority is None):
            raise ValueError("COMMAND and AUTHORITY belong together: the program, and the CA file of what it signs")
        return self

    def secret(self) -> bytes | None:
        """The passphrase. Raises PermanentError if its file can't be read."""
        if self.passphrase is not None:
            return self.passphrase.get_secret_value().encode()
        if self.passphrase_file is None:
            return None
        try:
            return self.passphrase_file.read_bytes().strip()
        except OSError as error:
            raise PermanentError(f"CA__PASSPHRASE_FILE: {self.passphrase_file}: {error.strerror}") from error


class EnrolmentSettings(BaseModel):
    """Where devices enrol, and by which rules; on where the CA has a FOLDER or a COMMAND."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "0.0.0.0"
    """The address on which devices find it."""
    port: int = Field(default=8443, ge=0, le=65535)
    """Its port, HTTPS only; 0 takes a free one, which the log names."""
    names: Annotated[tuple[str, ...], NoDecode] = ()
    """Host names and addresses in the gateway's own certificate, comma separated: as devices' ENROL__URL and browsers
    have them. By default this host's names and address; localhost and 127.0.0.1 always."""
    certificate: Path | None = None
    """A server certificate with those above it, PEM, in place of one by the embedded authority."""
    key: Path | None = None
    """Its key."""
    life_days: float = Field(default=30.0, gt=0, le=3660)
    """How long a device's certificate holds; it renews it when two thirds are over."""
    grace_days: float = Field(default=365.0, ge=0, le=36_600)
    """So long after its end a certificate still renews itself: a device that lay in a drawer needs nobody."""
    retry_s: int = Field(default=60, ge=1, le=3600)
    """When a device that waits for a person is told to ask again."""
    alive_s: float = Field(default=300.0, ge=0, le=86_400)
    """While a device is online, and was heard within so long, no other enrolment takes its place without a person."""

    @field_validator("names", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @model_validator(mode="after")
    def _both_or_neither(self) -> "EnrolmentSettings":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("CERTIFICATE and KEY belong together, each a PEM file")
        return self

    @property
    def life(self) -> timedelta:
        """How long a device's certificate holds."""
        return timedelta(days=self.life_days)

    @property
    def grace(self) -> timedelta:
        """How long after its end a certificate renews itself."""
        return timedelta(days=self.grace_days)

    @property
    def alive(self) -> timedelta:
        """Within how long a device must have been heard to count as connected."""
        return timedelta(seconds=self.alive_s)

    def hosts(self) -> tuple[str, ...]:
        """What the gateway's own certificate names."""
        return tuple(dict.fromkeys((*(self.names or own_names()), *HERE)))
