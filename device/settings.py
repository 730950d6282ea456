"""The agent's settings, read once from WATTLINE_DEVICE_*; what an engineer tunes remotely is in broker.messages."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from broker.environment import NoDecode, SettingsConfigDict
from broker.messages import Name
from broker.settings import ServiceSettings

BusAddress = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z ]{1,32}$")]
"""A device address as a request may carry it (IEC 62056-21 6.3.1)."""


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
    ports: Annotated[tuple[str, ...], NoDecode] = ()
    """Serial ports, comma separated; none looks for USB and UART ports and keeps looking."""
    detection: DetectionSettings = DetectionSettings()
    bus: dict[str, Annotated[tuple[BusAddress, ...], Field(min_length=1, max_length=16)]] = Field(default_factory=dict)
    """Addresses of IEC 62056-21 meters that share a port, as JSON: {"/dev/ttyUSB0": ["12345678", "87654321"]}."""
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
    stop_s: float = Field(default=5.0, gt=0, le=60)
    """How long stopping may take to hand over what waits; the rest stays in the outbox."""

    @field_validator("ports", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value
