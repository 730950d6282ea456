"""What the outlet can be told, by environment variables named WATTLINE_OUTLET_..."""

from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from broker.contract.outlets import HOME_ASSISTANT, HOME_ASSISTANT_STATES, SPARKPLUG_GROUP
from broker.errors import PermanentError
from broker.patterns import NAME, whole
from broker.runtime.environment import SettingsConfigDict
from broker.runtime.settings import ServiceClientId, ServiceSettings

_TOPIC = r"^[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,7}$"
_ID = r"^[^+/#\x00-\x1f]{1,64}$"


class HomeAssistantSettings(BaseModel):
    """Meters as Home Assistant's devices, by MQTT discovery."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(False, description="show meters to Home Assistant, over the outlet's broker")
    discovery_prefix: str = Field(
        HOME_ASSISTANT, pattern=_TOPIC, description="Home Assistant's own setting of that name, if it was changed there"
    )
    topic: str = Field(HOME_ASSISTANT_STATES, pattern=_TOPIC, description="what topics of values begin with")
    name: str = Field(
        "wattline", pattern=r"^[a-z0-9_-]{1,32}$",
        description="what ids begin with: another one for each platform that one Home Assistant sees",
    )  # fmt: skip


class LinesSettings(BaseModel):
    """Each reading as a line of InfluxDB's line protocol, over HTTP."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        "", pattern=r"^(https?://[!-~]+)?$",
        description="where lines are posted, with its path and query, as http://influx:8086/api/v2/write?org=o&bucket=b",
    )  # fmt: skip
    authorization: SecretStr | None = Field(
        None, description="the header Authorization as it is: `Token ...` (InfluxDB 2), `Bearer ...` (3), `Basic ...`"
    )
    authorization_file: Path | None = Field(None, description="a file that holds it, in place of it")
    measurement: str = Field("reading", min_length=1, max_length=64, description="the measurement (table) of all lines")
    since: AwareDatetime | None = Field(
        None, description="readings from then on are given, also those of before; by default those stored from now on"
    )
    name: str = Field(
        "lines", pattern=r"^[a-z0-9][a-z0-9-]{0,47}$",
        description="under which the store keeps how far it is: another one begins anew",
    )  # fmt: skip

    def secret(self) -> str | None:
        """The header, read from its file where one is named. Raises PermanentError if that can't be read."""
        if self.authorization:
            return self.authorization.get_secret_value()
        if self.authorization_file is None:
            return None
        try:
            return self.authorization_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise PermanentError(f"{self.authorization_file}: {error}; name a readable file") from error


class SparkplugSettings(BaseModel):
    """Meters as devices of one Sparkplug B edge node."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(default=False, description="publish meters as Sparkplug B, over the outlet's broker")
    group: str = Field(SPARKPLUG_GROUP, pattern=_ID, description="the group id")
    node: str = Field("wattline", pattern=_ID, description="the edge node id: another one for each platform of a group")
    primary_host: str = Field(
        "", pattern=r"^([^+/#\x00-\x1f]{1,64})?$",
        description="the host application's id: without it online, on spBv1.0/STATE/ID, nothing is published",
    )  # fmt: skip
    history: bool = Field(
        default=False,
        description="give also, as historical values, what was stored while the host was away, late, or between looks",
    )


class OutletSettings(ServiceSettings):
    """Settings of one outlet; each has a default but the database. All outputs are off until they are switched on."""

    model_config = SettingsConfigDict(env_prefix="WATTLINE_OUTLET_", frozen=True)

    http_port: int = Field(
        8087, ge=0, le=65535, description="port of /healthz and /metrics; 0 takes a free one, which the log names"
    )
    database_dsn: SecretStr = Field(
        min_length=1, description="postgresql://user:password@host:port/name, as role wattline_outlet"
    )
    client_id: Annotated[ServiceClientId, Field(pattern=whole(NAME))] = Field(
        "wattline-outlet", description="begins with wattline-; another one for each outlet at one broker"
    )
    look_every_s: float = Field(5, ge=0.1, le=3600, description="how often newest readings are looked for in the store")
    most_meters: int = Field(
        500, ge=1, le=20_000, description="meters that are shown, the oldest first: bounds messages and memory"
    )
    silent_s: float = Field(
        300,
        ge=1,
        le=86400,
        description="a meter is unavailable after so long, or three of its cadences, in silence",
    )
    home_assistant: HomeAssistantSettings = HomeAssistantSettings()
    lines: LinesSettings = LinesSettings()
    sparkplug: SparkplugSettings = SparkplugSettings()
    meter_metrics: bool = Field(
        default=False, description="newest readings of each meter on /metrics, for small sites that have Prometheus"
    )

    def outputs(self) -> list[str]:
        """The outputs that are switched on."""
        on = {"home_assistant": self.home_assistant.enabled, "lines": bool(self.lines.url)}
        on |= {"sparkplug": self.sparkplug.enabled, "meter_metrics": self.meter_metrics}
        return [name for name, switched in on.items() if switched]

    def logs_in_by_password(self) -> bool:
        """Not where no output goes over the broker: then nothing is shown to one."""
        return self.home_assistant.enabled or self.sparkplug.enabled

    def check_files(self) -> None:
        """See that the files which the settings name can be used. Raises PermanentError with the variable's name."""
        super().check_files()
        try:
            self.lines.secret()
        except PermanentError as error:
            raise PermanentError(f"{self.variable('lines')}__AUTHORIZATION_FILE: {error}") from error
