"""What the worker can be told, by environment variables named WATTLINE_WORKER_..."""

import os
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, Field, SecretStr

from broker.errors import PermanentError
from broker.runtime.environment import SettingsConfigDict
from broker.runtime.settings import ProcessSettings
from store.meter_keys import MasterKeys


class WorkerSettings(ProcessSettings):
    """Settings of one worker; each has a default but the database."""

    model_config = SettingsConfigDict(env_prefix="WATTLINE_WORKER_", frozen=True)

    http_port: int = Field(
        8082, ge=0, le=65535, description="port of /healthz and /metrics; 0 takes a free one, which the log names"
    )
    database_dsn: SecretStr = Field(
        min_length=1, description="postgresql://user:password@host:port/name, as role wattline_ingestor"
    )
    meter_keys_file: Path | None = Field(
        None,
        description="the master key that seals keys of meters and channels of notifications; without it both wait",
    )
    processes: int = Field(0, ge=0, le=64, description="processes that decode; 0 is one for each core")
    nice: int = Field(5, ge=0, le=19, description="how far the processes that decode stand behind the others")
    jobs: int = Field(3, ge=2, le=16, description="jobs at a time; the last place is kept free of those that take long")
    portion_frames: int = Field(4000, ge=1, le=100_000, description="frames in one transaction")
    portion_mib: int = Field(4, ge=1, le=256, description="frames in one transaction, in MiB")
    heartbeat_timeout_s: float = Field(
        6, ge=1, le=600, description="another worker takes a job over when its own was silent for so long"
    )
    poll_s: float = Field(1, ge=0.1, le=60, description="how often to look for jobs that were left behind")
    earliest_at: AwareDatetime = Field(
        datetime(2000, 1, 1, tzinfo=UTC), description="readings before it go to quarantine"
    )
    max_future_s: float = Field(86400, ge=0, description="readings further ahead of their receipt go to quarantine")
    max_devices: int = Field(100_000, ge=1, description="devices that a retry of quarantine may add to")
    meters_per_device: int = Field(256, ge=1, description="meters of one device; further ones go to quarantine")
    series_per_meter: int = Field(512, ge=1, description="OBIS codes of one meter; further ones go to quarantine")
    notices: bool = Field(True, description="send notifications; of several workers each may")
    notices_round_s: float = Field(5, ge=0.05, le=600, description="how often to look for what rules are about")
    notices_timeout_s: float = Field(15, ge=0.1, le=120, description="how long an attempt to send one may take")
    notices_private: bool = Field(
        False, description="let channels of notifications reach private addresses, such as those of one's own network"
    )
    export_mib: int = Field(2048, ge=1, le=1_048_576, description="the largest file that an export may make")
    files_mib: int = Field(8192, ge=1, le=1_048_576, description="all files of jobs together, exports and imports")
    mapping_poll_s: float = Field(0.5, ge=0.05, le=60, description="how often to look for payloads of third parties")
    mapping_turn_s: float = Field(
        1, ge=0, le=60, description="a source's turn begins no further payload after so long; one is always taken"
    )
    meters_per_source: int = Field(
        10_000, ge=1, description="meters of one third party's source; further ones go to quarantine"
    )
    payload_body_days: float = Field(7, ge=0, le=3660, description="how long bodies of mapped payloads are kept")
    payload_days: float = Field(
        30, ge=0.01, le=3660, description="how long a mapped payload is known, so that a repeat of it is taken for one"
    )
    unmapped_days: float = Field(
        365, ge=0.01, le=3660, description="how long payloads are kept of which something could not be mapped"
    )
    unmapped_mib_per_source: int = Field(
        1024, ge=1, le=1024 * 1024, description="unmapped payloads kept of one source; beyond, the oldest are dropped"
    )
    backup_folder: Path | None = Field(
        None, description="where jobs of kind backup put what they make; without it this worker does no such job"
    )
    backup_keep: int = Field(7, ge=1, le=1000, description="backups of jobs that are kept there, partial ones beside")
    backup_dsn: SecretStr = Field(
        SecretStr("postgresql:///wattline"), min_length=1,
        description="the database that is backed up, as a superuser of its server reaches it",
    )  # fmt: skip
    backup_account: str = Field(
        "postgres", description="whom PostgreSQL's programs run as, where the worker is root's and the DSN has no user"
    )
    backup_passphrase_file: Path | None = Field(None, description="what backups are sealed by; plain without it")
    backup_settings: Path | None = Field(None, description="the services' settings, if not /etc/wattline")
    backup_certificates: Path | None = Field(None, description="the broker's certificate, if not /etc/mosquitto/certs")
    backup_broker: Path | None = Field(None, description="Mosquitto's state, if not /var/lib/mosquitto/wattline")
    backup_authority: Path | None = Field(None, description="the authority, if not /var/lib/wattline-gateway/ca")
    backup_broker_unit: str | None = Field(
        None, description="Mosquitto's unit, which is asked to save its queues, if not mosquitto; '' for none"
    )
    backup_only: bool = Field(False, description="do nothing but backups: no other job, no payload, no notification")
    stop_deadline_s: float = Field(20, ge=0, description="how long to finish the portion in hand on SIGTERM")

    @property
    def backup_places(self) -> dict[str, Path]:
        """Folders that are not where README puts them, by the names that `wattline backup` has for them."""
        given = {
            "settings": self.backup_settings, "certificates": self.backup_certificates, "broker": self.backup_broker,
            "authority": self.backup_authority,
        }  # fmt: skip
        return {place: folder for place, folder in given.items() if folder is not None}

    def check_files(self) -> None:
        """See that the files which the settings name can be used. Raises PermanentError with the variable's name."""
        super().check_files()
        self._check_backups()
        if self.meter_keys_file is not None:
            try:
                MasterKeys.load(self.meter_keys_file)
            except PermanentError as error:
                raise PermanentError(f"{self.variable('meter_keys_file')}: {error}") from error

    def _check_backups(self) -> None:
        folder, passphrase = self.backup_folder, self.backup_passphrase_file
        if folder is None:
            if self.backup_only:
                raise PermanentError(f"{self.variable('backup_folder')}: a worker for backups alone needs it")
            return
        if not (folder.is_absolute() and folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
            fix = "make it, as `install -d -m 0700`, and name it from the root on"
            raise PermanentError(f"{self.variable('backup_folder')}: {folder} is no folder to write into: {fix}")
        if passphrase is not None:
            try:
                given = passphrase.read_bytes().strip()
            except OSError as error:
                said = f"{self.variable('backup_passphrase_file')}: {passphrase}: {error.strerror}"
                raise PermanentError(said) from error
            if not given:
                raise PermanentError(f"{self.variable('backup_passphrase_file')}: {passphrase} is empty")
