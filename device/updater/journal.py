"""What the updater remembers and tells: each change is on the disk before what it is about is done.

But for the end of a trial: a disk that takes nothing more is no reason to leave a bad release where it is. It is gone
back from all the same, and that is written down once there is room; a process that ends before begins the trial anew.
"""

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from broker.contract.messages import Reason
from broker.contract.software import SoftwareReported, SoftwareState
from device import mailbox
from device.updater import progress
from device.updater.environment import Environment
from device.updater.progress import Outcome, Progress

log = structlog.get_logger()

FILE: Final = "progress.json"
REASON_MAX: Final = 1000


class Journal:
    """The progress of one machine; reports go where the agent finds them."""

    def __init__(self, folder: Path, current: Environment | None, proven: Environment | None) -> None:
        self._folder = folder
        self._file = folder / FILE
        self.progress: Progress = progress.load(self._file, current, proven)
        self._saved = True
        self._told = False

    @property
    def saved(self) -> bool:
        """Whether the disk has all that is known."""
        return self._saved

    def keep(self, **changes: Any) -> None:
        """Remember this; where the disk refuses it holds for this process, until `catch_up`. Raises OSError."""
        known = self.progress
        named = {"memory": known.memory or secrets.token_hex(8), "number": known.number + 1}
        self.progress = known.model_copy(update=named | changes)
        self._saved = False
        try:
            self._save()
        except OSError:
            self._told = False
            raise

    def settle(self, state: SoftwareState, reasons: list[Reason], octets: int = 0, **changes: Any) -> None:
        """Say what became of what was desired, and be idle; all of it is one change on the disk."""
        outcome = self.outcome(state, reasons, octets).model_copy(update={"ended_at": now()})
        self.keep(phase="idle", outcome=outcome, **changes)
        self.report()
        desired = self.progress.desired
        log.info(
            "software_settled", state=state, release=desired and desired.release, reasons=[r.reason for r in reasons]
        )

    def outcome(self, state: SoftwareState, reasons: list[Reason], octets: int = 0) -> Outcome:
        """What is to be told now of what is desired."""
        known = self.progress.outcome or Outcome(state=state, began_at=now())
        return known.model_copy(
            update={"state": state, "reasons": tuple(reasons), "octets": known.octets + octets, "ended_at": None}
        )

    def catch_up(self) -> None:
        """Write down and tell what was not yet: the disk refused, or the process before was cut off. Raises OSError."""
        if not self._saved:
            self._save()
        if not self._told:
            self.report()

    def _save(self) -> None:
        progress.save(self._file, self.progress)
        self._saved = True

    def report(self) -> None:
        """Tell the agent, who tells the platform. Raises OSError."""
        known, at = self.progress, now()
        running = known.target if known.phase == "trial" else known.confirmed
        if known.desired is None or known.outcome is None or running is None:
            self._told = True
            return
        told = SoftwareReported(
            version=known.desired.version,
            state=known.outcome.state,
            release=known.desired.release,
            running=running.release,
            at=at,
            reasons=known.outcome.reasons,
            octets=known.outcome.octets,
            seconds=max(0.0, ((known.outcome.ended_at or at) - known.outcome.began_at).total_seconds()),
            memory=known.memory,
            number=known.number,
        )
        mailbox.put_reported(self._folder, told)
        self._told = True


def now() -> datetime:
    """This machine's time."""
    return datetime.now(UTC)


def reason(field: str, text: str) -> Reason:
    """A reason of no more than a report may hold."""
    return Reason(field=field[:256], reason=text[:REASON_MAX])
