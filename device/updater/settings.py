"""The updater's settings, read once from WATTLINE_UPDATER_*."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from broker.runtime.environment import NoDecode, SettingsConfigDict
from broker.runtime.settings import ProcessSettings


class UpdaterSettings(ProcessSettings):
    """Where software stands, whom to believe, and how the agent is asked and started."""

    model_config = SettingsConfigDict(env_prefix="WATTLINE_UPDATER_")

    # it must not take a visit to start the updater
    starts_anyway = True

    http_port: int = Field(default=8084, ge=0, le=65535)
    """Port of /healthz and /metrics; where it is taken, or 0, a free one is used, which the log names."""
    root: Path = Path("/opt/wattline")
    """Where environments stand: slots/, files/, and the links `current` and `updater`."""
    state_folder: Path = Path("/var/lib/wattline-updater")
    """How far an update has got, what was believed of releases, and what the agent tells the platform of it."""
    inbox: Path = Path("/var/lib/wattline/software")
    """Where the agent leaves what the platform desires."""
    trust: Path = Path("/etc/wattline/releases.root.json")
    """The publishers' first root of trust, 1.root.json of their folder."""
    source_ca: Path | None = None
    """The CA file of the server of releases, over https; default: the system's."""
    agent_url: str = Field(default="http://127.0.0.1:8083", pattern=r"^http://[^/?#@\s]+$")
    """Where the agent serves /metrics."""
    agent_restart: Annotated[tuple[str, ...], NoDecode] = ("systemctl", "restart", "wattline-device")
    """The command that starts the agent anew, words apart by spaces."""
    image: str = Field(default="", pattern=r"^[a-z0-9-]{0,64}$")
    """The image of a release that the agent runs in, as `agent`; empty: it runs in the slot's virtual environment."""
    podman: Annotated[tuple[str, ...], NoDecode] = (
        "systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--unit=wattline-podman",
        "--property=RuntimeMaxSec=600", "podman",
    )  # fmt: skip
    """How podman is called, words apart by spaces: by systemd, as images want more rights than the updater has.

    One at a time, and ended by systemd where it hangs: whoever gives up waiting for it ends only the caller.
    """
    broker: str = Field(default="", pattern=r"^(?:[^\s:/,]+:[0-9]{1,5})?$")
    """host:port of the broker: while nothing answers there, new software is not blamed for it. Empty: not asked."""
    look_every_s: float = Field(default=5.0, ge=0.1, le=60)
    """How often the agent is asked during a trial."""

    retry_s: float = Field(default=60.0, ge=0.1, le=3600)
    """After how long what could not be had is tried again, at first; then after twice as long each time, up to 1 h."""

    @field_validator("agent_restart", "podman", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return tuple(value.split()) if isinstance(value, str) else value
