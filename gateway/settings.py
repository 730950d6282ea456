"""The settings of the gateway, by environment variables named WATTLINE_GATEWAY_..."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from broker.errors import PermanentError
from broker.proxies import Network, Proxies, networks_of
from broker.runtime.environment import NoDecode, SettingsConfigDict
from broker.runtime.http_bounds import ConnectionBounds
from broker.runtime.settings import ServiceClientId, ServiceSettings
from broker.runtime.tls import TlsFiles
from gateway.enrolment.settings import CaSettings, EnrolmentSettings
from gateway.oidc import OidcSettings
from gateway.specs.rollouts.models import Limits
from store.meter_keys import MasterKeys
from store.quotas import QuotaLimits

LOOPBACK = ("127.0.0.1", "::1", "localhost")
TOKEN_LEAST: Final = 24
"""Characters of the shortest token that is taken: 96 bits where they are hexadecimal digits."""
_VARIETY: Final = 8
"""Different characters that a token has at least: `aaaa...` is no secret."""


def is_strong(token: str) -> bool:
    """Whether a token is long and mixed enough that nobody guesses it over HTTP, and fits into a header."""
    visible = token.isascii() and token.isprintable() and " " not in token
    return visible and len(token) >= TOKEN_LEAST and len(set(token)) >= _VARIETY


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
    client_id: ServiceClientId = Field(default="wattline-gateway", min_length=1, max_length=128)
    """Fixed, so that the broker keeps what arrives while the gateway is away; begins with `wattline-`. Two gateways
    must not share one."""
    broker_certificate: Path | None = None
    """The broker's own certificate (PEM), to tell in time when it ends, where the gateway comes to it without TLS."""
    session_expiry_s: int = Field(default=7 * 86400, ge=60, le=2**32 - 2)
    """How long the broker keeps messages for an absent gateway."""
    receive_maximum: int = Field(default=200, ge=1, le=65535)
    """Messages that the broker sends ahead of our commits; the rest waits there."""
    http_port: int = Field(default=8080, ge=0, le=65535)
    """Port of the API, /docs, /healthz and /metrics; 0 takes a free one, which the log names."""
    api_token: SecretStr | None = None
    """Bearer token with the role admin, to make others with: at least 24 characters, as `openssl rand -hex 32` prints.
    Without it the API listens on loopback only."""
    api_rate_per_s: float = Field(default=50.0, ge=0.1, le=100_000)
    """Requests that each token may make a second; without a token each address."""
    api_burst: int = Field(default=500, ge=1, le=1_000_000)
    """Requests that it may make at once before the rate counts."""
    tls: TlsFiles = TlsFiles()
    """With both files the API and the console are served over TLS, and nothing in plain; so they are to others than
    this host by a certificate of CA__FOLDER's authority where there are no files."""
    http_plaintext: bool = False
    """Serve others than this host without TLS, where everybody on the way can read tokens, passwords and readings."""
    oidc: OidcSettings = OidcSettings()
    """A provider of OpenID Connect by which people log in at the console."""
    proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    """Addresses or networks of proxies, with commas, whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    api_streams: int = Field(default=200, ge=1, le=10_000)
    """Clients that may follow the stream of changes at a time."""
    api_streams_each: int = Field(default=20, ge=1, le=10_000)
    """How many of them may show the same token; a browser's login counts as its token."""
    http_connections: int = Field(default=1000, ge=16, le=100_000)
    """Connections that the API holds at a time, and as many the enrolment, as far as the process may open files; one
    more is answered 503."""
    http_connections_each: int = Field(default=200, ge=1, le=100_000)
    """How many of them may come from one address; those of PROXIES don't count here."""
    api_stream_slow_s: float = Field(default=20.0, ge=0.1, le=600)
    """A client of the stream that takes nothing for so long is sent away."""
    console_session_h: int = Field(default=12, ge=1, le=720)
    """How long a browser stays logged in."""
    claim_silence_s: float = Field(default=1800.0, ge=1, le=30 * 86400)
    """A meter that another device registers becomes that one's once nothing has come of it for so long."""
    claim_disputed_s: float = Field(default=86400.0, ge=1, le=365 * 86400)
    """The same where its owner has read it since."""
    claim_tick_s: float = Field(default=5.0, ge=0.05, le=600)
    """How often to look for claims that hold now."""
    job_sweep_s: float = Field(default=10.0, ge=0.5, le=3600)
    """How often to look for frames that came after their meter's spec, and for jobs that the queue lost."""
    job_file_mib: int = Field(default=2048, ge=1, le=1_048_576)
    """The largest file that may be sent for a job to read."""
    job_files_mib: int = Field(default=8192, ge=1, le=1_048_576)
    """All files of jobs together, exports and imports; they are in the database."""
    reconcile_quiet_s: float = Field(default=1.0, ge=0.1, le=60)
    """The retained messages have all come once none has for so long after a connection."""
    reconcile_s: float = Field(default=600.0, ge=0.5, le=86400)
    """How often all retained messages are compared with the store while the connection lasts, give or take a fifth."""
    rollout: Limits = Limits()
    """By how much a canary may be worse before it is withdrawn."""
    judge_s: float = Field(default=15.0, ge=0.1, le=3600)
    """How often canaries are judged."""
    outbox_read_s: float = Field(default=30.0, ge=0.1, le=600)
    """How often to look for configurations that wait to be published, should the database's notice of them be lost."""
    commands_per_device: int = Field(default=8, ge=1, le=100)
    """Commands to one device that wait for their reply; one more is refused."""
    commands_in_flight: int = Field(default=20_000, ge=1, le=1_000_000)
    """Commands to all devices that wait for their reply."""
    commands_kept_days: int = Field(default=365, ge=1, le=36_500)
    """After so long the history of commands is forgotten."""
    quota: QuotaLimits = QuotaLimits()
    """What one device may use, so that it can't hurt the others: docs/OPERATE.md; ingestors' and gateways' the same."""
    settle_s: float = Field(default=5.0, ge=0.1, le=3600)
    """How often, at first, the registers of a swapped meter are looked for; ever more rarely later."""
    stage_tick_s: float = Field(default=2.0, ge=0.05, le=60)
    """How often staged changes of parameters are judged."""
    ca: CaSettings = CaSettings()
    """Which authority gives devices their certificates."""
    enrolment: EnrolmentSettings = EnrolmentSettings()
    """Where devices let themselves in."""
    meter_keys_file: Path | None = None
    """The master key by which keys of meters are sealed, as `wattline master-key make` writes it; without it none are
    kept."""
    keys_s: float = Field(default=10.0, ge=0.05, le=600)
    """How often to look whether a device is to be given other keys of meters, beside each change of one here."""
    logins_s: float = Field(default=60.0, ge=0.1, le=60)
    """How often logins at the broker, and figures for boards and alerts, are entered into the store."""
    drain_s: float = Field(default=5.0, ge=0.1, le=60)
    """How long a stop waits for what is being stored and published."""

    @field_validator("api_token", mode="after")
    @classmethod
    def _token_is_no_guess(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not is_strong(value.get_secret_value()):
            raise ValueError(
                f"is {'empty' if not value.get_secret_value() else 'no token that is hard to guess'}; give at least"
                f" {TOKEN_LEAST} letters, digits or signs without spaces, such as `openssl rand -hex 32` prints, or"
                " leave it out to serve this host alone"
            )
        return value

    @field_validator("proxies", mode="before")
    @classmethod
    def _proxies_are_networks(cls, value: object) -> tuple[Network, ...]:
        return networks_of(value)

    def connection_bounds(self) -> ConnectionBounds:
        """How many connections each listener holds, the API's and the enrolment's; a proxy's are all its clients'."""
        trusts, listeners = Proxies(self.proxies).trusts, 2 if self.enrols else 1
        return ConnectionBounds(self.http_connections, self.http_connections_each, trusts, listeners)

    def check_files(self) -> None:
        """See that the files which the settings name can be used. Raises PermanentError with the variable's name."""
        super().check_files()
        self.tls.load()
        self.tls_by()
        if self.meter_keys_file is not None:
            try:
                MasterKeys.load(self.meter_keys_file)
            except PermanentError as error:
                raise PermanentError(f"{self.variable('meter_keys_file')}: {error}") from error

    def tls_by(self) -> Literal["files", "own authority", "nobody"]:
        """Whose certificate the API shows: nobody's to this host alone, behind a proxy, or where it is said to.

        Raises PermanentError where others would be served in plain.
        """
        if self.tls.certificate is not None:
            return "files"
        if self.listen_host()[0] in LOOPBACK or self.proxies or self.http_plaintext:
            return "nobody"
        if self.ca.folder is None:
            raise PermanentError(
                "WATTLINE_GATEWAY_HTTP_HOST: tokens and passwords would cross the network without TLS; set CA__FOLDER,"
                " so that the gateway makes itself a certificate, or TLS__CERTIFICATE and TLS__KEY, or PROXIES where a"
                " proxy does TLS, or HTTP_PLAINTEXT=true where that network is trusted"
            )
        return "own authority"

    @property
    def enrols(self) -> bool:
        """Whether devices can enrol here."""
        return self.ca.folder is not None or self.ca.command is not None

    @model_validator(mode="after")
    def _another_authority_signs_no_server(self) -> Self:
        if self.ca.command is not None and self.enrolment.certificate is None:
            raise ValueError(
                "with CA__COMMAND, ENROLMENT__CERTIFICATE and ENROLMENT__KEY must name a server certificate: another"
                " authority is asked for devices' only"
            )
        return self

    def listen_host(self) -> tuple[str, Literal["as set", "loopback only"]]:
        """Where the API listens, and whether that is less than what was set."""
        if self.api_token is None and self.http_host not in LOOPBACK:
            return "127.0.0.1", "loopback only"
        return self.http_host, "as set"
