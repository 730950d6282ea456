"""The agent's settings, read once from WATTLINE_DEVICE_*; what an engineer tunes remotely is in contract.messages."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, field_validator, model_validator

from broker.contract.messages import Name
from broker.errors import PermanentError
from broker.patterns import ENROL_URL, whole
from broker.runtime.environment import NoDecode, SettingsConfigDict
from broker.runtime.settings import ServiceSettings
from broker.runtime.trust import client_context
from device.token_uri import TokenUri
from meters.wires.iec62056_programming import PASSWORD

_LONGEST_SECRET = 128
_FIELDBUS = (
    r"mbus:(?:scan|250|2[0-4][0-9]|[01]?[0-9]{1,2}|[0-9Ff]{8})"
    r"|modbus:(?:scan(?::[0-9]{1,3}-[0-9]{1,3})?"
    r"|(?:24[0-7]|2[0-3][0-9]|1[0-9]{2}|[1-9][0-9]?)(?::[0-9A-Za-z][0-9A-Za-z ._-]{0,30})?)"
    r"|dlms:(?:12[0-7]|1[01][0-9]|[1-9][0-9]?)(?:/[0-9]{1,5}(?:\.[0-9]{1,5})?(?:/[124])?)?"
)
BusAddress = Annotated[str, StringConstraints(pattern=rf"^(?:[0-9A-Za-z ]{{1,32}}|{_FIELDBUS})$")]
"""A device address as a request may carry it (IEC 62056-21 6.3.1), or one of M-Bus, Modbus or DLMS (docs/DEVICE.md)."""


class DetectionSettings(BaseModel):
    """How long the agent listens on an unknown port; nested fields are written DETECTION__QUICK_S."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quick_s: float = Field(default=2.5, gt=0, le=60)
    """The first short pass, for each line setting."""
    thorough_s: float = Field(default=12.0, gt=0, le=120)
    """The later passes; DSMR 4 meters push every 10 s only."""
    first_pause_s: float = Field(default=2.0, ge=0, le=600)
    """The pause after a pass without result; it doubles up to `longest_pause_s`."""
    longest_pause_s: float = Field(default=60.0, ge=0, le=3600)
    """The longest of these pauses."""
    silence_s: float = Field(default=30.0, gt=0, le=3600)
    """A known port that yields no good frame this long, and for three of its periods, is detected anew."""


class EnrolSettings(BaseModel):
    """Where and by what the agent enrols and gets its certificate for the broker; without URL a password is used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str | None = Field(default=None, pattern=whole(ENROL_URL))
    """The gateway's enrolment, as https://wattline.example:8443."""
    claim: Name | None = None
    """The claim's name, as `wattline claim create` printed it."""
    token: SecretStr | None = None
    """The claim's token; a file shows it to fewer eyes."""
    token_file: Path | None = None
    """A file that holds the token, in place of it."""
    authority: Path | None = None
    """The platform's CA file (root.pem); the broker's too, unless BROKER__TLS_CA names another."""
    key: str | None = None
    """The certificate's key in a TPM or another token, by PKCS#11 URI (RFC 7512); default: in a file."""
    hardware_id: Name | None = None
    """By which this machine is known again; default: its serial number or a hash of its machine id."""

    @field_validator("key")
    @classmethod
    def _names_a_key(cls, value: str | None) -> str | None:
        if value is not None:
            TokenUri.parse(value)
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.url is not None and self.authority is None:
            raise ValueError("URL wants AUTHORITY, the platform's CA file, beside it")
        return self

    def secret(self) -> str | None:
        """The token, read from its file where one is named. Raises PermanentError."""
        if self.token is not None:
            return self.token.get_secret_value()
        if self.token_file is None:
            return None
        try:
            return self.token_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise PermanentError(f"WATTLINE_DEVICE_ENROL__TOKEN_FILE: {self.token_file}: {error}") from error


class DeviceSettings(ServiceSettings):
    """What the agent must be told: the broker, and where the defaults don't fit, its ports and folder."""

    model_config = SettingsConfigDict(env_prefix="WATTLINE_DEVICE_")

    # software that was set back may not know a setting of the newer one, another program may have the port of our
    # metrics: it must not take a visit to start the agent
    starts_anyway = True

    http_port: int = Field(default=8083, ge=0, le=65535)
    """Port of /healthz and /metrics; where it is taken, or 0, a free one is used, which the log names."""
    device_id: Name | None = None
    """Default: bound to the hardware, from its serial number or machine id."""
    data_folder: Path = Path("/var/lib/wattline")
    """Outbox, held frames, specs, last good parameters, known ports."""
    enrol: EnrolSettings = EnrolSettings()
    """How the agent lets itself in at the platform."""
    ports: Annotated[tuple[str, ...], NoDecode] = ()
    """Serial ports, comma separated, or modbus+tcp://host:port, dlms+tcp://host:port, and of a serial server
    socket://host:port (its line as it is set there) or rfc2217://host:port (set from here); none looks for USB and
    UART ports and keeps looking."""
    detection: DetectionSettings = DetectionSettings()
    bus: dict[str, Annotated[tuple[BusAddress, ...], Field(min_length=1, max_length=16)]] = Field(default_factory=dict)
    """Addresses of meters at a port, as JSON: {"/dev/ttyUSB0": ["12345678"], "/dev/ttyUSB1": ["mbus:5", "mbus:6"]}."""
    dlms_secrets: dict[str, SecretStr] = Field(default_factory=dict)
    """By the names that specs give them (decode.key_ref), as JSON: a DLMS meter's password (LLS), or its encryption and
    authentication key in hex with a / between them (HLS 5)."""
    passwords: dict[str, SecretStr] = Field(default_factory=dict)
    """Passwords of meters' programming mode, as JSON, by the names that specs call them: {"emh-reader": "12345678"}."""
    in_flight: int = Field(default=50, ge=2, le=1000)
    """Messages sent and not yet acknowledged; a backlog gets half of them while live messages wait."""
    sync_s: float = Field(default=1.0, ge=0.02, le=1.0)
    """The outbox is synced to disk at least this often."""
    sync_records: int = Field(default=64, ge=1, le=10_000)
    """... and after this many messages."""
    backfill_after_s: float = Field(default=60.0, ge=1, le=86400)
    """Readings that waited longer are sent with source backfill."""
    held_limit_mib: int = Field(default=8, ge=1, le=1024)
    """For each port: raw frames kept on disk until a spec is known."""
    bad_frames_per_minute: int = Field(default=10, ge=1, le=1000)
    """For each port: bad or undecodable frames published each minute, the others are counted."""
    updater_folder: Path = Path("/var/lib/wattline-updater")
    """Where the updater, which has an account of its own, leaves what became of an update."""
    broker_lost_s: float = Field(default=21600.0, ge=5, le=604800)
    """A broker that the platform named, and at which for so long the store confirms nothing, is left for the one before
    it, for a while; then after twice as long each time, up to a day."""
    stop_s: float = Field(default=5.0, gt=0, le=60)
    """How long stopping may take to hand over what waits; the rest stays in the outbox."""

    def logs_in_by_password(self) -> bool:
        """Not where it has a certificate: the unit names a password's file all the same."""
        return self.enrol.url is None

    def check_files(self) -> None:
        """See that the files which the settings name can be used. Raises PermanentError with the variable's name."""
        super().check_files()
        self.enrol.secret()
        if self.enrol.authority is not None:
            try:
                client_context(self.enrol.authority)
            except PermanentError as error:
                raise PermanentError(str(error).replace("tls_ca", "WATTLINE_DEVICE_ENROL__AUTHORITY", 1)) from error

    @field_validator("passwords")
    @classmethod
    def _sendable(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, password in value.items():
            if PASSWORD.fullmatch(password.get_secret_value()) is None:
                raise ValueError(f"{name}: a password has 1 to 32 printable ASCII characters, no brackets among them")
        return value

    @field_validator("dlms_secrets")
    @classmethod
    def _short(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, secret in value.items():
            if not 0 < len(secret.get_secret_value()) <= _LONGEST_SECRET:
                raise ValueError(f"{name}: 1 to {_LONGEST_SECRET} characters: a password, or two keys in hex")
        return value

    @field_validator("bus")
    @classmethod
    def _one_protocol(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for port, addresses in value.items():
            if len({address.partition(":")[0] if ":" in address else "" for address in addresses}) > 1:
                raise ValueError(f"{port}: addresses of several protocols; a port speaks one of them")
            scheme = port.partition("+tcp://")[0] if "+tcp://" in port else ""
            if scheme and any(not address.startswith(f"{scheme}:") for address in addresses):
                raise ValueError(f"{port}: its addresses begin with {scheme}:, for that is what is spoken there")
        return value

    @field_validator("ports", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value
