"""What the outlet can be told, by environment variables named WATTLINE_OUTLET_..."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from broker.contract.outlets import HOME_ASSISTANT, HOME_ASSISTANT_STATES
from broker.patterns import NAME, whole
from broker.runtime.environment import SettingsConfigDict
from broker.runtime.settings import ServiceClientId, ServiceSettings

_TOPIC = r"^[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,7}$"


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

    def outputs(self) -> list[str]:
        """The outputs that are switched on."""
        return ["home_assistant"] if self.home_assistant.enabled else []
