"""What the ingestor can be told, by environment variables named WATTLINE_INGESTOR_..."""

from datetime import UTC, datetime
from typing import Protocol

from pydantic import AwareDatetime, Field, SecretStr

from broker.patterns import NAME, whole
from broker.runtime.environment import SettingsConfigDict
from broker.runtime.settings import ServiceClientId, ServiceSettings
from store.quotas import QuotaLimits


class Judging(Protocol):
    """What messages are judged by: of an ingestor, and of whoever judges again what one has refused."""

    @property
    def client_id(self) -> str:
        """Who is given the deliveries."""

    @property
    def earliest_at(self) -> datetime:
        """Readings before it are implausible."""

    @property
    def max_future_s(self) -> float:
        """Readings further ahead of their receipt are."""


class IngestorSettings(ServiceSettings):
    """Settings of one ingestor; each has a default but the database."""

    model_config = SettingsConfigDict(env_prefix="WATTLINE_INGESTOR_", frozen=True)

    http_port: int = Field(
        8081, ge=0, le=65535, description="port of /healthz and /metrics; 0 takes a free one, which the log names"
    )
    database_dsn: SecretStr = Field(
        min_length=1, description="postgresql://user:password@host:port/name of the migrated database"
    )
    client_id: ServiceClientId = Field(
        "wattline-ingestor",
        pattern=whole(NAME),
        description="fixed: the broker keeps what it misses under it; begins with wattline-",
    )
    share_group: str | None = Field(
        None,
        pattern=whole(NAME),
        description="several ingestors of one group share the load, and take over for one another",
    )
    session_expiry_s: int = Field(
        7 * 86400,
        ge=60,
        le=2**32 - 2,
        description="how long the broker keeps messages for an absent ingestor; for a member of a group it keeps none",
    )
    receive_maximum: int = Field(
        20_000, ge=3, le=65535, description="messages that the broker sends ahead of our acks: bounds memory, batches"
    )
    intake_mib: int = Field(
        64, ge=1, le=4096, description="payload that may wait, in MiB; then nothing more is read from the broker"
    )
    batch_rows: int = Field(40_000, ge=1, le=1_000_000, description="rows that close a batch")
    batch_mib: int = Field(16, ge=1, le=1024, description="payload that closes a batch, in MiB")
    batch_wait_s: float = Field(0.1, ge=0.0, le=60, description="how long a batch that is not full waits for more")
    receipts_every_s: float = Field(
        2, ge=0.05, le=60, description="how long receipts to devices are gathered after a commit before they are sent"
    )
    writers: int = Field(2, ge=1, le=8, description="batches that are written at the same time")
    database_timeout_s: float = Field(60, ge=1, le=3600, description="a batch that takes longer is tried again")
    earliest_at: AwareDatetime = Field(
        datetime(2000, 1, 1, tzinfo=UTC), description="readings before it go to quarantine"
    )
    max_future_s: float = Field(86400, ge=0, description="readings further ahead of their receipt go to quarantine")
    max_devices: int = Field(100_000, ge=1, description="devices that are taken; further ones go to quarantine")
    meters_per_device: int = Field(256, ge=1, description="meters of one device; further ones go to quarantine")
    series_per_meter: int = Field(512, ge=1, description="OBIS codes of one meter; further ones go to quarantine")
    quota: QuotaLimits = Field(QuotaLimits(), description="what one device may use, so that it can't hurt the others")
    names_mib: int = Field(
        256, ge=1, le=65536, description="memory for ids of meters and series: 100 000 meters of 10 series take 220"
    )
    upkeep_every_s: float = Field(
        20,
        ge=0.1,
        le=3600,
        description="how often the ledger's summary and the roll-ups are brought up to date",
    )
    stop_deadline_s: float = Field(10, ge=0, description="how long to flush on SIGTERM; the rest comes again")
