"""An updater that passed its check and does not keep running: the one before it goes on, and brings the next release.

The unit calls this at each end of the updater, from the slot of the one before, as the newest may be unable to.
"""

from pathlib import Path
from typing import Annotated, Final

import structlog
from pydantic import Field

from broker.contract.messages import Message, Short
from broker.errors import ContractError
from device.files import write_atomically
from device.updater.journal import Journal, reason
from device.updater.slots import CURRENT, FALLBACK, UPDATER, WHOLE, Slots

log = structlog.get_logger()

FALLS: Final = "falls.json"
FALLS_MAX: Final = 5
"""So many ends in a row, none of them after it had served for a while, are enough."""
SERVED_S: Final = 300.0
"""After so long it counts as one that keeps running."""
WELL: Final = "success"
"""What systemd says of a service that ended as it should (systemd.exec(5), SERVICE_RESULT)."""


class Falls(Message):
    """How often in a row the updater of a slot has ended badly."""

    slot: Short
    count: Annotated[int, Field(ge=0)]


def note_end(slots: Slots, state: Path, result: str) -> bool:
    """Note that the updater has ended, as systemd's SERVICE_RESULT says; whether the one before is to go on.

    Cut off anywhere, the next end does the rest. Raises OSError.
    """
    fallen, before = slots.linked(UPDATER), slots.linked(FALLBACK)
    if result == WELL:
        forget(state)
        return False
    known = _known(state)
    count = 1 + (known.count if known is not None and known.slot == fallen else 0)
    write_atomically(state / FALLS, Falls(slot=fallen, count=count).payload())
    if count < FALLS_MAX or before in ("", fallen) or not (slots.root / FALLBACK / WHOLE).exists():
        log.warning("updater_fell", slot=fallen, times=count, result=result)
        return False
    _take_over(slots, state, fallen, before, count)
    return True


def forget(state: Path) -> None:
    """The updater has served for a while, or was stopped: falls of before do not count. Raises OSError."""
    (state / FALLS).unlink(missing_ok=True)


def _take_over(slots: Slots, state: Path, fallen: str, before: str, count: int) -> None:
    journal = Journal(state, slots.described(CURRENT), slots.described(UPDATER))
    outcome = journal.progress.outcome
    if outcome is not None and journal.progress.unfit != fallen:
        why = reason("updater", f"that of {fallen} ended {count} times in a row: that of {before} goes on")
        outcome = outcome.model_copy(update={"reasons": (*outcome.reasons, why)})
    # before the link: the one before must not make way for it again
    journal.keep(unfit=fallen, outcome=outcome)
    slots.link(UPDATER, before)
    journal.report()
    forget(state)
    log.error("updater_replaced", slot=fallen, by=before, times=count)


def _known(state: Path) -> Falls | None:
    try:
        return Falls.parse((state / FALLS).read_bytes())
    except (FileNotFoundError, ContractError):
        return None
