"""How the meters of a canary fare, against themselves before and against the rest of the fleet. Pure functions."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.specs.rollouts.models import Limits

MAX_NAMED: Final = 20
"""Meters that a verdict names."""
OWN_INTERVALS: Final = 3
"""A meter is silent only after so many of the intervals at which it used to report."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What came of one meter and of those behind it in a span of time.

    Devices count each telegram and report the counts; where they don't, messages and raw frames stand for telegrams.
    Raw frames alone would say too little: a device sends the first few of each minute.
    """

    messages: int = 0
    frames: int = 0
    """Raw frames that the spec could not decode."""
    counted: int = 0
    counted_undecodable: int = 0
    counted_refused: int = 0
    quiet_s: float | None = None
    """How long before the end of the span the last readings came; None where none came."""

    @property
    def telegrams(self) -> int:
        """Telegrams, at least."""
        return max(self.counted, self.messages + self.undecodable)

    @property
    def undecodable(self) -> int:
        """Telegrams that gave no reading."""
        return max(self.counted_undecodable, self.frames)


@dataclass(frozen=True, slots=True)
class ObservedMeter:
    """One meter: before and since it got the version; of the rest of the fleet, in the same two spans."""

    key: str
    before: Counts
    now: Counts
    since_s: float
    """How long it has had the version, or of the rest, how long the span is."""
    reachable: bool = True
    """Whether its device is online and has taken the configuration: else its silence says nothing of the spec."""
    implausible: tuple[str, ...] = ()
    reverted: bool = False
    """Whether its device tried the version and went back from it."""

    def expected(self) -> bool:
        """Whether readings must come."""
        return (self.reachable or self.reverted) and self.before.messages > 0

    def silent(self, limits: Limits) -> bool:
        """Whether it gave readings and gives none by the version: its device may have reported so itself."""
        if self.reverted:
            return self.expected()
        own_s = OWN_INTERVALS * limits.window_s / max(1, self.before.messages)
        quiet_s = self.since_s if self.now.quiet_s is None else self.now.quiet_s
        return self.expected() and quiet_s >= max(limits.silence_s, own_s)


@dataclass(slots=True)
class Group:
    """The same meters summed up, as shares in percent; None where too little came to say."""

    meters: int = 0
    reporting: int = 0
    telegrams: int = 0
    undecodable: int = 0
    refused: int = 0
    counted: int = 0
    implausible: int = 0
    expected: int = 0
    silent: int = 0

    def add(self, counts: Counts) -> None:
        """Take one meter's counts."""
        self.meters += 1
        self.reporting += counts.messages > 0
        self.telegrams += counts.telegrams
        self.undecodable += counts.undecodable
        self.refused += counts.counted_refused
        self.counted += counts.counted

    def document(self, least: int) -> dict[str, Any]:
        """For spec_rollout.figures."""
        enough = self.telegrams >= least
        return {
            "meters": self.meters,
            "reporting": self.reporting,
            "telegrams": self.telegrams,
            "undecodable_percent": _percent(self.undecodable, self.telegrams) if enough else None,
            "refused_percent": _percent(self.refused, self.counted) if self.counted >= least else None,
            "implausible_percent": _percent(self.implausible, self.reporting),
            "silent_percent": _percent(self.silent, self.expected),
        }


@dataclass(slots=True)
class Judgement:
    """What speaks against a canary, with the figures."""

    reasons: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


def judge(limits: Limits, given: Iterable[ObservedMeter], rest: Iterable[ObservedMeter]) -> Judgement:
    """Judge a canary by its meters and by those that its predecessors read."""
    now, before, elsewhere = Group(), Group(), Group()
    suspects: dict[str, list[str]] = {"implausible": [], "silent": []}
    for one in given:
        now.add(one.now)
        before.add(one.before)
        now.implausible += bool(one.implausible) and one.now.messages > 0
        now.expected += one.expected()
        now.silent += one.silent(limits)
        suspects["implausible"] += [f"{one.key}: {what}" for what in one.implausible[:1]]
        suspects["silent"] += [one.key] if one.silent(limits) else []
    for one in rest:
        elsewhere.add(one.now)
        elsewhere.expected += one.expected()
        elsewhere.silent += one.silent(limits)
    sides = [group.document(limits.least_telegrams) for group in (now, before, elsewhere)]
    reasons = list(_reasons(limits, *sides))
    watching = now.reporting == 0 or now.telegrams < limits.least_telegrams
    figures: dict[str, Any] = dict(zip(("now", "before", "rest"), sides, strict=True))
    figures |= {name: keys[:MAX_NAMED] for name, keys in suspects.items() if keys}
    figures["verdict"] = "worse" if reasons else "watching" if watching else "good"
    return Judgement(reasons, {**figures, "reasons": reasons} if reasons else figures)


def _reasons(limits: Limits, now: dict[str, Any], before: dict[str, Any], rest: dict[str, Any]) -> Iterable[str]:
    """Each share that is further above the worse of the two others than its limit allows."""
    others = {
        "undecodable": (before, rest),
        "refused": (before, rest),
        "implausible": (),
        "silent": (rest,),
    }
    words = {
        "undecodable": "of the telegrams can't be decoded",
        "refused": "of the telegrams have values that the spec refuses",
        "implausible": "of the meters give implausible readings",
        "silent": "of the meters that gave readings give none",
    }
    for what, against in others.items():
        name = f"{what}_percent"
        share, limit = now[name], getattr(limits, name)
        usual = max((other[name] or 0 for other in against), default=0)
        if share is not None and share - usual > limit:
            besides = f", {usual:g} % before or elsewhere" if against else ""
            yield f"{share:g} % {words[what]}{besides}; allowed are {limit:g} % more"


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 2) if whole else None
