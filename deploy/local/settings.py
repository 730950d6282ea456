"""What a person may set for the local stack, by environment variables named `WATTLINE_LOCAL_...`."""

import os
import pwd
import tempfile
from pathlib import Path

from pydantic import Field

from broker.runtime.environment import SettingsBase, SettingsConfigDict


def open_to_all(folder: Path) -> bool:
    """Whether every existing folder on the way lets other accounts pass."""
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents) if part.exists())


def default_cache() -> Path:
    """`$XDG_CACHE_HOME/wattline` or `~/.cache/wattline`; `/var/cache/wattline` for a root whose home is closed.

    Root runs the servers under another account, which cannot enter a home folder of mode 0700.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if os.geteuid() == 0 and not open_to_all(base):
        return Path("/var/cache/wattline")
    return base / "wattline"


def default_runs() -> Path:
    """A folder of this account below the machine's folder for temporary files."""
    base = Path(tempfile.gettempdir())
    if os.geteuid() == 0 and not open_to_all(base):
        base = Path("/var/tmp")  # noqa: S108  (open to the servers' account; who owns the folder is checked)
    return base / f"wattline-{os.geteuid()}"


class LocalSettings(SettingsBase):
    """Settings of the local stack; all are optional."""

    model_config = SettingsConfigDict(env_prefix="WATTLINE_LOCAL_")

    mosquitto: Path | None = None
    """`WATTLINE_LOCAL_MOSQUITTO`: the Mosquitto program (2.0.16 or later) to use."""
    postgres_bin: Path | None = None
    """`WATTLINE_LOCAL_POSTGRES_BIN`: the folder with PostgreSQL 17's `postgres` and `initdb`, TimescaleDB installed."""
    browser: Path | None = None
    """`WATTLINE_LOCAL_BROWSER`: the Chromium to drive the console's tests with."""
    system: bool = True
    """`WATTLINE_LOCAL_SYSTEM=0`: pass over what is installed on this machine and use the provided root."""
    mirror: str | None = None
    """`WATTLINE_LOCAL_MIRROR`: the Debian mirror to provide from, in place of the one in apt's own sources."""
    cache: Path = Field(default_factory=default_cache)
    """`WATTLINE_LOCAL_CACHE`: where the provided root and the template data folder are kept between runs."""
    runs: Path = Field(default_factory=default_runs)
    """`WATTLINE_LOCAL_RUNS`: where the data folders of runs are made."""


def server_account() -> pwd.struct_passwd | None:
    """The account to run servers under, or None where this process is unprivileged already.

    PostgreSQL refuses to run as root. Its own account is taken where the machine has one, else `nobody`.
    """
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
