"""The agent's part in updates: it carries word between the platform and the updater, and judges nothing."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from broker.errors import ContractError
from device import mailbox
from device.metrics import DeviceMetrics
from device.outbox.outgoing import Outgoing

log = structlog.get_logger()

RETRY_S: Final = 30.0


class Software:
    """Leaves what the platform desires where the updater finds it, and hands on what the updater says became of it.

    What the disk does not take is kept and tried again, the newest only.
    """

    def __init__(
        self,
        inbox: Path,
        reports: Path,
        metrics: DeviceMetrics,
        outgoing: Outgoing,
        report: Callable[[bytes], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inbox = inbox
        self._reports = reports
        self._metrics = metrics
        self._outgoing = outgoing
        self._report = report
        self._monotonic = monotonic
        self._pending: bytes | None = None
        self._retry_at_s = 0.0
        self._seen: tuple[int, int] | None = None

    def desired(self, payload: bytes) -> None:
        """Take what the platform desires; nothing, where it is empty."""
        self._pending = payload
        self._pass_on()

    def upkeep(self) -> None:
        """To be called every second: looks whether the updater has said something."""
        if self._pending is not None and self._monotonic() >= self._retry_at_s:
            self._pass_on()
        path = self._reports / mailbox.REPORTED
        try:
            found = path.lstat()
        except OSError:
            # no updater, or none that has been told anything
            return
        seen = (found.st_mtime_ns, found.st_ino)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            reported = mailbox.take_reported(self._reports)
        except (ContractError, OSError) as error:
            self._metrics.files_damaged.labels(mailbox.REPORTED).inc()
            self._outgoing.event("file_damaged", "warning", file=mailbox.REPORTED, damage=str(error))
            return
        if reported is not None:
            log.info("software_reported", state=reported.state, release=reported.release, running=reported.running)
            self._report(reported.payload())

    def _pass_on(self) -> None:
        payload, self._pending = self._pending, None
        assert payload is not None  # noqa: S101 - the callers looked
        try:
            if mailbox.is_desired(self._inbox, payload):
                return
            desired = mailbox.put_desired(self._inbox, payload)
        except ContractError as error:
            self._outgoing.event("software_refused", "error", field=error.field, error=str(error))
        except OSError as error:
            self._pending, self._retry_at_s = payload, self._monotonic() + RETRY_S
            log.error("software_not_kept", reason=str(error), retry_in_s=RETRY_S)  # noqa: TRY400 - the reason says all
        else:
            log.info("software_desired", release=desired and desired.release, version=desired and desired.version)
