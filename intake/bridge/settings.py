"""What the bridge can be told, by environment variables named WATTLINE_BRIDGE_..."""

from pydantic import Field, SecretStr, field_validator

from broker.errors import PermanentError
from broker.patterns import NAME, whole
from broker.runtime.environment import SettingsConfigDict
from broker.runtime.settings import BrokerAddress, ServiceClientId, ServiceSettings
from store.source_settings import OUR_BROKER


class BridgeSettings(ServiceSettings):
    """Settings of one bridge; each has a default but the database."""

    model_config = SettingsConfigDict(env_prefix="WATTLINE_BRIDGE_", frozen=True)

    http_port: int = Field(
        8088, ge=0, le=65535, description="port of /healthz and /metrics; 0 takes a free one, which the log names"
    )
    database_dsn: SecretStr = Field(
        min_length=1, description="postgresql://user:password@host:port/name, as role wattline_intake"
    )
    brokers: dict[str, BrokerAddress] = Field(
        {}, description="further brokers by a name that sources give, each with the fields of BROKER"
    )
    client_id: ServiceClientId = Field(
        "wattline-bridge",
        pattern=whole(NAME),
        description="fixed: the brokers keep what the bridge misses under it; begins with wattline-",
    )
    session_expiry_s: int = Field(
        86400, ge=60, le=7 * 86400, description="how long brokers keep messages of QoS 1 for an absent bridge"
    )
    receive_maximum: int = Field(
        2000, ge=3, le=65535, description="messages that a broker sends ahead of our acks: bounds memory"
    )
    intake_mib: int = Field(
        16, ge=1, le=1024, description="payload that may wait, in MiB; then nothing more is read from that broker"
    )
    payload_kib: int = Field(256, ge=1, le=4096, description="a larger message is refused, with an event")
    topic_per_s: float = Field(20, gt=0, le=100_000, description="messages a second of one topic, over a minute")
    source_per_s: float = Field(500, gt=0, le=100_000, description="messages a second of one source, over a minute")
    source_kib_per_s: float = Field(
        1024, gt=0, le=1_000_000, description="payload a second of one source, over a minute"
    )
    discovery: bool = Field(
        True, description="whether to listen for devices that have no source yet, at each broker, and propose one"
    )
    discovery_prefix: str = Field(
        "homeassistant", pattern=whole(NAME), description="the first level of Home Assistant's discovery topics"
    )
    sparkplug_host_id: str = Field(
        "wattline",
        pattern=whole(NAME),
        description="what Sparkplug edge nodes call this host application; it is one where a source has their topics",
    )
    sparkplug_reorder_s: float = Field(
        2,
        ge=0,
        le=60,
        description="how long a message out of sequence waits for those before it; then a birth is asked for",
    )
    refresh_s: float = Field(5, ge=0.1, le=3600, description="how often to look for sources that changed")
    stop_deadline_s: float = Field(10, ge=0, description="how long to store what was taken on SIGTERM")

    @field_validator("brokers")
    @classmethod
    def _brokers_have_names(cls, value: dict[str, BrokerAddress]) -> dict[str, BrokerAddress]:
        if OUR_BROKER in value:
            raise ValueError(f"{OUR_BROKER!r} is the platform's own broker, which BROKER sets; call this one otherwise")
        return value

    def address(self, broker: str) -> BrokerAddress | None:
        """A broker's address by its name; None for one that is not set."""
        return self.broker.as_user("bridge") if broker == OUR_BROKER else self.brokers.get(broker)

    def check_files(self) -> None:
        """See that the files which the settings name can be used. Raises PermanentError with the variable's name."""
        super().check_files()
        for name, address in self.brokers.items():
            for check in (address.secret, address.tls, address.check_plaintext):
                try:
                    check()
                except PermanentError as error:
                    field, _, text = str(error).partition(": ")
                    where = f"{self.variable('brokers')}__{name.upper()}__{field.upper()}"
                    raise PermanentError(f"{where}: {text}") from error
