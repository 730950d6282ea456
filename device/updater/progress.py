"""How far the updater has got, as one file: after a power cut it goes on from there."""

from pathlib import Path
from typing import Annotated, Final, Literal

import structlog
from pydantic import Field

from broker.contract.messages import At, Message, Reason, Short
from broker.contract.software import SoftwareDesired, SoftwareState
from broker.errors import ContractError
from device.sealed_file import COPY, read_either, unsealed, write_twice
from device.updater.environment import Environment
from device.updater.health import Needs, Trial, Work
from device.updater.trials import Undone

log = structlog.get_logger()

Phase = Literal["idle", "fetching", "trial", "going_back"]
UNREAD: Final = ".unread"
"""What a file is called that this updater can't read, such as one of a newer updater: it is kept for people."""


class Outcome(Message):
    """What is reported of the newest desired software."""

    state: SoftwareState
    reasons: tuple[Reason, ...] = ()
    octets: Annotated[int, Field(ge=0)] = 0
    began_at: At
    ended_at: At | None = None


class Progress(Message):
    """The updater's memory; `desired` is what it is at work on, or was last.

    `confirmed` is the release that has proven itself, and is returned to, `before` the one before it, and `target` the
    one on trial. In phase `trial` the current link leads to the target, or is about to; in `going_back` to the
    confirmed one, or is about to.
    """

    format: Literal[1] = 1
    phase: Phase = "idle"
    desired: SoftwareDesired | None = None
    target: Environment | None = None
    confirmed: Environment | None = None
    before: Environment | None = None
    needs: Needs | None = None
    trial: Trial | None = None
    why: Short = ""
    outcome: Outcome | None = None
    memory: Short = ""
    """The name of this memory, empty before it was first kept by an updater that gives it one."""
    number: Annotated[int, Field(ge=0)] = 0
    """Rises with each change, and so with each report."""
    undone: tuple[Undone, ...] = ()
    """What was gone back from of late."""
    work: Work | None = None
    """What the confirmed release did when it was last noted."""
    unfit: Short = ""
    """The slot of which the updater did not keep running: it is not to be the updater."""


def load(path: Path, current: Environment | None, proven: Environment | None) -> Progress:
    """The progress of before. Raises OSError.

    Where there is none that can be read, or none at all, what the updater is of has proven itself; another slot that is
    current was on trial, and is gone back from. What can't be read is set aside: an updater that does not start could
    never be replaced by one that does.
    """
    try:
        return Progress.parse(read_either(path).data)
    except FileNotFoundError:
        why = "its progress is gone"
    except ContractError as error:
        log.error("progress_unread", path=str(path), reason=str(error), current=current and current.release)  # noqa: TRY400
        for one in (path, path.with_name(path.name + COPY)):
            if one.exists():
                one.replace(one.with_name(one.name + UNREAD))
        why = "its progress was damaged"
    if proven is not None and current is not None and proven != current:
        return Progress(phase="going_back", confirmed=proven, target=current, why=why)
    return Progress(confirmed=current)


def readable(path: Path) -> None:
    """See that this software can read what is there, without a change to it. Raises ContractError, OSError."""
    if path.exists():
        # not as `load`, which heals and sets aside: another updater is at work on it
        Progress.parse(unsealed(path.read_bytes()))


def save(path: Path, progress: Progress) -> None:
    """Keep it, durably. Raises OSError."""
    write_twice(path, progress.payload())
