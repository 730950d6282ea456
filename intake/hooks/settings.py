"""What the intake can be told, by environment variables named WATTLINE_INTAKE_..."""

import ssl
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator, model_validator

from broker.errors import PermanentError
from broker.proxies import Network, Proxies, networks_of
from broker.runtime.environment import NoDecode, SettingsConfigDict
from broker.runtime.http_bounds import ConnectionBounds
from broker.runtime.settings import ProcessSettings, is_loopback
from broker.runtime.tls import TlsFiles
from intake.inbox.inbox import InboxBounds
from store.meter_keys import MasterKeys


class HookTls(TlsFiles):
    """The intake's certificate, and the authority of its senders'."""

    client_ca: Path | None = None
    """PEM file of the authority whose certificates senders may prove themselves by; none is asked for without it."""

    @model_validator(mode="after")
    def _authority_needs_a_certificate(self) -> "HookTls":
        if self.client_ca is not None and self.certificate is None:
            raise ValueError("client_ca: senders show certificates over TLS only; name certificate and key, too")
        return self

    def load(self) -> ssl.SSLContext | None:
        """As TlsFiles; senders' certificates are asked for and need not be there. Raises PermanentError."""
        context = super().load()
        if context is not None and self.client_ca is not None:
            try:
                context.load_verify_locations(self.client_ca)
            except (OSError, ssl.SSLError) as error:
                raise PermanentError(f"TLS__CLIENT_CA {self.client_ca} can't be used: {error}") from error
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


class IntakeSettings(ProcessSettings):
    """Settings of one intake; DATABASE_DSN is the only one without a default."""

    model_config = SettingsConfigDict(env_prefix="WATTLINE_INTAKE_", frozen=True)

    database_dsn: SecretStr = Field(
        min_length=1, description="postgresql://user:password@host:port/name, as role wattline_intake"
    )
    meter_keys_file: Path | None = Field(
        None, description="the master key by which sources' secrets are sealed; without it only certificates prove"
    )
    http_port: int = Field(
        8091,
        ge=0,
        le=65535,
        description="port of /healthz and /metrics; with several processes the first one's, the others count on from "
        "it; 0 takes free ones",
    )
    hooks_host: str = Field("127.0.0.1", description="the address on which senders are served")
    hooks_port: int = Field(8085, ge=0, le=65535, description="their port; 0 takes a free one, which the log names")
    processes: int = Field(
        1, ge=1, le=64, description="processes that share hooks_port on this host; one keeps a core busy"
    )
    reuse_port: bool = Field(
        default=False, description="let other intakes of this host listen on hooks_port, too (SO_REUSEPORT)"
    )
    rates_file: Path | None = Field(
        None,
        description="a file in memory in which all intakes of this host count together what sources send; the "
        "processes of one start have one by themselves",
    )
    tls: HookTls = HookTls()
    http_plaintext: bool = Field(
        default=False, description="serve others than this host without TLS, where everybody on the way can read it"
    )
    proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        (), description="addresses or networks of proxies, with commas, whose X-Forwarded-For is believed"
    )
    client_name_header: str | None = Field(
        None, description="header by which those proxies tell the name of a verified client certificate, or its subject"
    )
    http_connections: int = Field(
        1000, ge=16, le=100_000, description="connections at a time, as far as the process may open files"
    )
    http_connections_each: int = Field(
        200, ge=1, le=100_000, description="how many of them may come from one address; those of proxies don't count"
    )
    head_timeout_s: float = Field(
        75, ge=1, le=3600, description="a connection without a whole request's head for so long is closed"
    )
    body_timeout_s: float = Field(30, ge=0.1, le=3600, description="a body that takes longer is refused")
    post_timeout_s: float = Field(10, ge=0.1, le=600, description="a post not committed within so long is refused")
    reading_mib: int = Field(64, ge=1, le=65536, description="bodies in MiB that are being read at a time")
    pending: int = Field(20_000, ge=2, le=10_000_000, description="posts that wait for their commit at a time")
    pending_mib: int = Field(64, ge=1, le=65536, description="what they take in memory, in MiB")
    batch: int = Field(1000, ge=1, le=10_000, description="posts of one transaction")
    batch_mib: int = Field(8, ge=1, le=1024, description="posts of one transaction, in MiB")
    batch_wait_ms: float = Field(3, ge=0, le=1000, description="how long a post waits for others to commit with")
    writers: int = Field(2, ge=1, le=32, description="transactions at a time")
    sources_every_s: float = Field(2, ge=0.05, le=600, description="how often the sources are read from the database")
    drain_s: float = Field(15, ge=0, description="how long to finish what was taken on SIGTERM")

    @field_validator("proxies", mode="before")
    @classmethod
    def _proxies_are_networks(cls, value: object) -> tuple[Network, ...]:
        return networks_of(value)

    def connection_bounds(self) -> ConnectionBounds:
        """How many connections are held."""
        return ConnectionBounds(self.http_connections, self.http_connections_each, Proxies(self.proxies).trusts)

    def inbox_bounds(self) -> InboxBounds:
        """How much waits and is written at once."""
        return InboxBounds(
            pending=self.pending,
            pending_bytes=self.pending_mib * 2**20,
            batch=self.batch,
            batch_bytes=self.batch_mib * 2**20,
            batch_wait_s=self.batch_wait_ms / 1000,
            writers=self.writers,
            write_s=self.post_timeout_s,
        )

    def check_files(self) -> None:
        """See that the files which the settings name can be used. Raises PermanentError with the variable's name."""
        super().check_files()
        try:
            self.tls.load()
        except PermanentError as error:
            raise PermanentError(f"WATTLINE_INTAKE_{error}") from error
        if self.meter_keys_file is not None:
            try:
                MasterKeys.load(self.meter_keys_file)
            except PermanentError as error:
                raise PermanentError(f"{self.variable('meter_keys_file')}: {error}") from error
        if self.client_name_header and not self.proxies:
            raise PermanentError(
                "WATTLINE_INTAKE_CLIENT_NAME_HEADER: anybody may write that header; name PROXIES whose one is believed"
            )
        served = is_loopback(self.hooks_host) or self.tls.certificate is not None or self.proxies or self.http_plaintext
        if not served:
            raise PermanentError(
                "WATTLINE_INTAKE_HOOKS_HOST: tokens and payloads would cross the network without TLS; set "
                "TLS__CERTIFICATE and TLS__KEY, or PROXIES where a proxy does TLS, or HTTP_PLAINTEXT=true where that "
                "network is trusted"
            )
