"""What Grafana's part can be told, by environment variables named WATTLINE_GRAFANA_..."""

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from broker.runtime.environment import SettingsBase, SettingsConfigDict
from grafana.contacts import missing, wrong_type

Price = Annotated[Decimal, Field(gt=-1000, lt=1000, allow_inf_nan=False)]
Obis = Annotated[str, StringConstraints(pattern=r"^1-0:[12]\.8\.[0-9]$")]
Duration = Annotated[str, StringConstraints(pattern=r"^([0-9]+(ms|[smhdwy]))+$")]
Minutes = Annotated[int, Field(ge=1, le=44640)]
_DAY_PRICE, _NIGHT_PRICE, _FEED_IN = Decimal("0.32"), Decimal("0.24"), Decimal("-0.08")


class DataSource(BaseModel):
    """The database as Grafana's server reaches it, which need not be how this command does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str | None = None
    """Name or address; without it the data source is left as it is and only has to be there."""
    port: int = Field(default=5432, ge=1, le=65535)
    name: str = Field(default="wattline", min_length=1)
    user: str = Field(default="wattline_grafana", min_length=1)
    """A role that reads views and nothing else."""
    password: SecretStr | None = None
    sslmode: Literal["disable", "require", "verify-ca", "verify-full"] = "require"


class Limits(BaseModel):
    """When the alert rules fire."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device_offline_min: Minutes = 10
    """A device's last will has come and it has stayed away for so long."""
    meter_silent_min: Minutes = 30
    """A meter in place on a device that is online has given no reading for so long."""
    gap_readings: int = Field(default=10, ge=1, le=1_000_000)
    """So many readings of a meter are missing in the last 24 hours."""
    quarantine_per_h: int = Field(default=20, ge=1, le=1_000_000)
    """So many frames or payloads went to quarantine in the last hour, and thrice what is usual."""
    ingest_lag_s: int = Field(default=120, ge=1, le=86400)
    """From reading to table, median of five minutes; or so long without any message while devices are online."""
    database_gib: float = Field(default=100, gt=0, le=1_000_000, allow_inf_nan=False)
    """What the database may grow to."""
    database_percent: int = Field(default=80, ge=1, le=100)
    """The share of database_gib at which the rule fires."""
    jump_kw: float = Field(default=100, gt=0, le=1_000_000, allow_inf_nan=False)
    """A register rose faster than this power could have made it."""


class ContactPoint(BaseModel):
    """Whom Grafana tells; `settings` are those that Grafana's documentation lists for the type."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,29}$")]
    type: str
    settings: dict[str, Any]
    disable_resolve_message: bool = False

    @field_validator("type")
    @classmethod
    def _type_is_known(cls, value: str) -> str:
        if (wrong := wrong_type(value)) is not None:
            raise ValueError(f"no type of contact point; {wrong}")
        return value

    @field_validator("settings")
    @classmethod
    def _settings_suffice(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "type" in info.data and (lacking := missing(info.data["type"], value)) is not None:
            raise ValueError(lacking)
        return value


class Route(BaseModel):
    """Which alerts go to which contact point; labels are `rule`, `severity`, `device`, `meter`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    contact: str
    match: dict[str, str] = Field(default_factory=dict)
    group_by: tuple[str, ...] = ("alertname",)
    group_wait: Duration = "30s"
    group_interval: Duration = "5m"
    repeat_interval: Duration = "12h"


class GrafanaSettings(SettingsBase):
    """Settings of dashboards and alerting; all have defaults. Nested ones are written LIMITS__JUMP_KW."""

    model_config = SettingsConfigDict(env_prefix="WATTLINE_GRAFANA_")
    others: ClassVar = frozenset({"URL", "TOKEN"})  # options of the command

    datasource_uid: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,40}$")] = "wattline"
    """The uid of the data source that dashboards and rules ask."""
    db: DataSource = DataSource()
    prices: dict[Obis, Price] = Field(
        default={"1-0:1.8.0": _DAY_PRICE, "1-0:1.8.1": _DAY_PRICE, "1-0:1.8.2": _NIGHT_PRICE, "1-0:2.8.0": _FEED_IN}
    )
    """Price of a kWh by register, as JSON; a register without a price costs nothing and is shown as unpriced."""
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "EUR"
    """ISO 4217."""
    nominal_v: float = Field(default=230, ge=50, le=100_000, allow_inf_nan=False)
    """The voltage of a phase; EN 50160 allows 10 % off it."""
    limits: Limits = Limits()
    contact_points: tuple[ContactPoint, ...] = ()
    """As JSON: [{"name": "ops", "type": "email", "settings": {"addresses": "ops@example.org"}}]."""
    routes: tuple[Route, ...] = ()
    """As JSON; the first that matches counts, one without `match` takes the rest. Default: all to the first."""

    @field_validator("contact_points")
    @classmethod
    def _names_differ(cls, value: tuple[ContactPoint, ...]) -> tuple[ContactPoint, ...]:
        names = [point.name for point in value]
        if len(set(names)) < len(names):
            raise ValueError("two contact points have the same name; give each its own")
        return value

    @model_validator(mode="after")
    def _routes_lead_somewhere(self) -> "GrafanaSettings":
        known = {point.name for point in self.contact_points}
        for route in self.routes:
            if route.contact not in known:
                known_names = ", ".join(sorted(known)) or "none"
                raise ValueError(f"routes name the contact point {route.contact!r}; contact_points has: {known_names}")
        return self
