"""What a rule can be about: states that begin and end, and events as table `event` has them."""

from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["info", "warning", "error"]
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "error")


@dataclass(frozen=True, slots=True)
class NoticeKind:
    """One kind; `events` are the names of rows of table event, empty of states."""

    says: str
    severity: Severity = "warning"
    events: tuple[str, ...] = ()
    every_s: float = 30.0
    """How often a state is looked at."""
    resolves: bool = True
    """Whether it is worth saying that it is over."""
    after_min: float = 0.0
    """How long it must last, where a rule says nothing else."""


KINDS: Final[dict[str, NoticeKind]] = {
    "offline": NoticeKind("A device has been offline for a time.", "error", after_min=10),
    "silent": NoticeKind("A meter gives nothing, though its device is online.", every_s=60, after_min=30),
    "gap": NoticeKind("Readings of a meter are missing, of the last 24 hours.", every_s=300),
    "unknown_meter": NoticeKind("A meter stands somewhere that no spec reads.", every_s=60),
    "key_wanted": NoticeKind("A meter can't be read without a key or password.", every_s=60),
    "enrolment": NoticeKind("A device waits for a person to let it in."),
    "certificate": NoticeKind("A certificate ends soon.", "error", every_s=300),
    "threshold": NoticeKind("A value has been over or under a limit for a time.", every_s=30),
    "consumption": NoticeKind("A meter's energy of today, or its cost, passed a limit.", every_s=300, resolves=False),
    "swap": NoticeKind("A meter took another's place.", events=("meter_swapped",)),
    "reverted": NoticeKind("A device went back to the parameters before.", events=("config_reverted",)),
    "update_failed": NoticeKind(
        "A device rolled back or refused a release.", "error", ("software_rolled_back", "software_refused")
    ),
    "event": NoticeKind("Any event, by its name: `events: [clock_*, port_lost]`."),
}
STATES: Final = tuple(name for name, kind in KINDS.items() if not kind.events and name != "event")
"""What begins and ends; of a sort that is looked for, not told."""
