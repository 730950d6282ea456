"""Whether new software does its work: judged by what the agent tells of itself. Pure functions.

A process that is alive proves nothing: what counts is what the old software did and the new one must do, too.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal

STEADY: Final = 0.25
"""The share of the probation through which the new software must have done its work without a restart."""
STARTS_MAX: Final = 5
"""So many starts within one probation are a crash loop."""
DEAD_S: Final = 60.0
"""An agent that answers nothing for so long is not waited for: nobody hears the meters meanwhile."""
PLAUSIBLE_BELOW: Final = 1e15
"""No count and no memory of an agent is so large; not a number and infinity are below nothing."""
RECENT: Final = timedelta(days=1)
"""Whoever has read no meter for so long has none."""
INTERVALS: Final = 3
PROBATION_CAP_S: Final = 86400.0
HEAVY_LOOKS: Final = 3
"""Looks in a row at which it is over its memory; one may be a moment's peak."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the agent told at one time; all is zero or empty where it did not answer.

    `samples` and `confirmed` are counts since its start: samples taken, messages that the store has confirmed.
    """

    version: str = ""
    boot: str = ""
    connected: bool = False
    samples: int = 0
    confirmed: int = 0
    rss_mib: float = 0.0

    @property
    def up(self) -> bool:
        """Whether it answered."""
        return bool(self.boot)


@dataclass(frozen=True, slots=True)
class Work:
    """What the proven software was last seen to do, over its restarts and ours; times are this machine's."""

    boot: str = ""
    samples: int = 0
    confirmed: int = 0
    read_at: datetime | None = None
    """When a look last found more samples than the one before."""
    confirmed_at: datetime | None = None
    interval_s: float = 0.0
    """How far apart its samples came, of all its meters; 0 while unknown."""

    def reads(self, at: datetime) -> bool:
        """Whether it has read a meter of late."""
        return _is_recent(self.read_at, at)

    def is_confirmed(self, at: datetime) -> bool:
        """Whether the store has confirmed something of late."""
        return _is_recent(self.confirmed_at, at)


@dataclass(frozen=True, slots=True)
class Needs:
    """What the new software must do within its probation, since the old one did of late."""

    version: str
    connected: bool
    readings: bool
    receipts: bool
    memory_mib: float
    probation_s: float

    @property
    def all(self) -> bool:
        """Whether the old one did all that software can do: no more can be learned of it."""
        return self.connected and self.readings and self.receipts


@dataclass(frozen=True, slots=True)
class Trial:
    """How a trial stands; `elapsed_s` counts over restarts of the updater."""

    elapsed_s: float = 0.0
    boots: tuple[str, ...] = ()
    good_s: float = 0.0
    """For how long the newest boot has done all that is needed."""
    dead_s: float = 0.0
    heavy: int = 0
    last: Look = field(default_factory=Look)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done, and why."""

    what: Literal["wait", "confirm", "go_back"]
    why: str = ""


WAIT: Final = Verdict("wait")


def noted(work: Work, look: Look, at: datetime) -> Work:
    """What is known of the proven software after one more look at it."""
    if not look.up:
        return work
    same = look.boot == work.boot
    read, confirmed = (work.samples, work.confirmed) if same else (0, 0)
    interval_s = work.interval_s
    if same and work.read_at is not None and look.samples > read:
        interval_s = max(0.0, (at - work.read_at).total_seconds()) / (look.samples - read)
    return Work(
        boot=look.boot,
        samples=look.samples,
        confirmed=look.confirmed,
        read_at=at if look.samples > read else work.read_at,
        confirmed_at=at if look.confirmed > confirmed else work.confirmed_at,
        interval_s=interval_s,
    )


def needs_of(work: Work, at: datetime, version: str, memory_mib: float, probation_s: float) -> Needs:
    """What new software must do: whatever the old one did of late, however short the probation is.

    It is lengthened to some intervals of the readings, in which also good software can't do that sooner.
    """
    readings = work.reads(at)
    return Needs(
        version=version,
        # what is desired came over that connection, however it is at this moment
        connected=True,
        readings=readings,
        receipts=work.is_confirmed(at),
        memory_mib=memory_mib,
        probation_s=max(probation_s, min(PROBATION_CAP_S, INTERVALS * work.interval_s) if readings else 0.0),
    )


def _is_recent(then: datetime | None, at: datetime) -> bool:
    """Also by a clock that was set back; one that was far ahead must not count for ever."""
    return then is not None and abs(at - then) < RECENT


def lacks(look: Look, needs: Needs) -> list[str]:
    """What the new software does not do, in words."""
    if not look.up:
        return ["the agent does not answer"]
    found = []
    if look.version != needs.version:
        found.append(f"version {look.version or 'unknown'} answers, not {needs.version}")
    if needs.connected and not look.connected:
        found.append("it is not connected to the broker")
    if needs.readings and not look.samples:
        found.append("it takes no readings")
    if needs.receipts and not look.confirmed:
        found.append("the store confirms nothing")
    return found


def observe(trial: Trial, look: Look, passed_s: float, needs: Needs, *, reachable: bool) -> Trial:
    """A trial after one more look."""
    boots = trial.boots if not look.up or look.boot in trial.boots else (*trial.boots, look.boot)
    heavy = trial.heavy + 1 if look.rss_mib > needs.memory_mib else 0
    well = not heavy and not lacks(look, needs) and look.boot == boots[-1]
    same = look.boot == trial.last.boot
    good_s = (trial.good_s + passed_s if same else 0.0) if well else 0.0
    return replace(
        trial, elapsed_s=_elapsed_s(trial, look, passed_s, needs, reachable=reachable), boots=boots[-STARTS_MAX:],
        good_s=good_s,
        dead_s=0.0 if look.up else trial.dead_s + passed_s, heavy=heavy, last=look,
    )  # fmt: skip


def _elapsed_s(trial: Trial, look: Look, passed_s: float, needs: Needs, *, reachable: bool) -> float:
    """How much of the probation is over: none of it counts for who only lacks the platform that nobody could reach.

    Finding it again takes as long as an agent's backoff, for which that time must not be missing. With another fault
    the time stands still: it is not forgiven by an outage, and an outage is not blamed on it.
    """
    if reachable or not needs.connected:
        return trial.elapsed_s + passed_s
    blameless = look.up and not lacks(look, replace(needs, connected=False, receipts=False))
    return 0.0 if blameless else trial.elapsed_s


def judge(trial: Trial, needs: Needs) -> Verdict:
    """Whether to wait on, to keep the new software or to go back."""
    if trial.heavy >= HEAVY_LOOKS:
        return Verdict("go_back", f"it holds {trial.last.rss_mib:.0f} MiB, more than {needs.memory_mib:.0f}")
    if len(trial.boots) >= STARTS_MAX:
        return Verdict("go_back", f"it started {STARTS_MAX} times and more")
    if trial.dead_s >= DEAD_S:
        return Verdict("go_back", f"the agent has not answered for {trial.dead_s:.0f} s")
    if trial.good_s >= needs.probation_s * STEADY:
        return Verdict("confirm")
    if trial.elapsed_s >= needs.probation_s:
        wrong = lacks(trial.last, needs) or ["it did its work too late or not steadily"]
        return Verdict("go_back", f"within {needs.probation_s:.0f} s: {'; '.join(wrong)}")
    return WAIT


def look_of(page: str) -> Look:
    """A look from the agent's /metrics (Prometheus text); what it does not tell is zero."""
    values: dict[str, float] = {}
    info = ""
    for line in page.splitlines():
        name, _, value = line.rpartition(" ")
        if name.startswith("wattline_device_info{"):
            info = name
        elif not line.startswith("#") and value:
            base = name.partition("{")[0]
            values[base] = values.get(base, 0.0) + _number(value)
    return Look(
        version=_label(info, "version"),
        boot=_label(info, "boot"),
        connected=values.get("wattline_device_connected", 0) > 0,
        samples=int(values.get("wattline_device_samples_total", 0)),
        confirmed=int(values.get("wattline_device_confirmed_total", 0)),
        rss_mib=values.get("process_resident_memory_bytes", 0) / 2**20,
    )


def _number(text: str) -> float:
    """A value as it counts: what is no number, or none that anything has, is nothing."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value < PLAUSIBLE_BELOW else 0.0


def _label(series: str, name: str) -> str:
    _, found, rest = series.partition(f'{name}="')
    return rest.partition('"')[0] if found else ""
