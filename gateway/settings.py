"""What the gateway can be told, by environment variables named WATTLINE_GATEWAY_..."""

from typing import Literal

from pydantic import Field, SecretStr

from broker.environment import SettingsConfigDict
from broker.settings import ServiceSettings
from gateway.rollout_models import Limits

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class GatewaySettings(ServiceSettings):
    """Settings of the gateway; DATABASE_DSN is the only one without a default."""

    model_config = SettingsConfigDict(env_prefix="WATTLINE_GATEWAY_")

    database_dsn: SecretStr = Field(min_length=1)
    """PostgreSQL as role wattline_gateway, as postgresql://user:password@host:port/name."""
    database_connections: int = Field(default=8, ge=2, le=100)
    """Connections that the pool opens at most."""
    read_dsn: SecretStr | None = Field(default=None, min_length=1)
    """Replicas to read readings, frames and exports from, a DSN as DATABASE_DSN; while none will do, the primary."""
    read_lag_s: float = Field(default=30.0, ge=1, le=86400)
    """A replica that is further behind is not asked."""
    client_id: str = Field(default="wattline-gateway", min_length=1, max_length=128)
    """Fixed, so that the broker keeps what arrives while the gateway is away. Two gateways must not share one."""
    session_expiry_s: int = Field(default=7 * 86400, ge=60, le=2**32 - 2)
    """How long the broker keeps messages for an absent gateway."""
    receive_maximum: int = Field(default=200, ge=1, le=65535)
    """Messages that the broker sends ahead of our commits; the rest waits there."""
    http_port: int = Field(default=8080, ge=0, le=65535)
    """Port of the API, /docs, /healthz and /metrics; 0 takes a free one, which the log names."""
    api_token: SecretStr | None = None
    """Bearer token with the role admin, to make others with. Without it the API listens on loopback only."""
    api_rate_per_s: float = Field(default=50.0, ge=0.1, le=100_000)
    """Requests that each token may make a second; without a token each address."""
    api_burst: int = Field(default=500, ge=1, le=1_000_000)
    """Requests that it may make at once before the rate counts."""
    api_forwarded: bool = False
    """Believe X-Forwarded-For and X-Forwarded-Proto. Only behind a proxy that sets them."""
    api_streams: int = Field(default=200, ge=1, le=10_000)
    """Clients that may follow the stream of changes at a time."""
    api_stream_slow_s: float = Field(default=20.0, ge=0.1, le=600)
    """A client of the stream that takes nothing for so long is sent away."""
    console_session_h: int = Field(default=12, ge=1, le=720)
    """How long a browser stays logged in."""
    job_sweep_s: float = Field(default=10.0, ge=0.5, le=3600)
    """How often to look for frames that came after their meter's spec, and for jobs that the queue lost."""
    reconcile_quiet_s: float = Field(default=1.0, ge=0.1, le=60)
    """The retained messages have all come once none has for so long after a connection."""
    reconcile_s: float = Field(default=600.0, ge=0.5, le=86400)
    """How often all retained messages are compared with the store while the connection lasts, give or take a fifth."""
    rollout: Limits = Limits()
    """By how much a canary may be worse before it is withdrawn."""
    judge_s: float = Field(default=15.0, ge=0.1, le=3600)
    """How often canaries are judged."""
    sweep_s: float = Field(default=5.0, ge=0.1, le=600)
    """A configuration that its gateway has not published after so long is published by any."""
    commands_per_device: int = Field(default=8, ge=1, le=100)
    """Commands to one device that wait for their reply; one more is refused."""
    commands_in_flight: int = Field(default=20_000, ge=1, le=1_000_000)
    """Commands to all devices that wait for their reply."""
    commands_kept_days: int = Field(default=365, ge=1, le=36_500)
    """After so long the history of commands is forgotten."""
    settle_s: float = Field(default=5.0, ge=0.1, le=3600)
    """How often, at first, the registers of a swapped meter are looked for; ever more rarely later."""
    stage_tick_s: float = Field(default=2.0, ge=0.05, le=60)
    """How often staged changes of parameters are judged."""
    drain_s: float = Field(default=5.0, ge=0.1, le=60)
    """How long a stop waits for what is being stored and published."""

    def listen_host(self) -> tuple[str, Literal["as set", "loopback only"]]:
        """Where the API listens, and whether that is less than what was set."""
        if self.api_token is None and self.http_host not in LOOPBACK:
            return "127.0.0.1", "loopback only"
        return self.http_host, "as set"
