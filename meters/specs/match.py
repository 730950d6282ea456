"""Which spec fits a meter: all conditions of a spec must hold, and the one with most and narrowest facts wins."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from broker.patterns import wildcard
from meters.specs.identify import Identity
from meters.specs.sections import Conditions
from meters.specs.spec import Spec

WEIGHTS: Final = {
    "protocol": 10,
    "manufacturer": 100,
    "version": 100,
    "serial": 150,
    "firmware": 150,
    "facts": 150,
    "product": 300,
    "identification": 300,
}
"""What a condition that holds is worth; each literal character of its pattern adds one, up to NARROW_MAX."""
NARROW_MAX: Final = 64
ALL_EACH: Final = 10
ALL_MAX: Final = 200
ANY: Final = 20
NONE: Final = 20


@dataclass(frozen=True, slots=True)
class Match:
    """A spec that fits, its score, and the reasons that made the score, each as `what: points`."""

    spec: Spec
    score: int
    reasons: tuple[str, ...]


def rank(specs: Iterable[Spec], identity: Identity) -> list[Match]:
    """All specs that fit, best first: products before generic specs, then by score, then by name.

    A newer version supersedes the older ones of its name, whatever their scores: it counts for all of them.
    """
    known = _Known(identity)
    found = [match for spec in specs if (match := _try(spec, known)) is not None]
    newest: dict[str, Match] = {}
    for match in sorted(found, key=lambda m: m.spec.version):
        newest[match.spec.name] = match
    return sorted(found, key=lambda m: (_order(newest[m.spec.name]), -m.spec.version))


def _order(match: Match) -> tuple[bool, int, str]:
    return match.spec.generic, -match.score, match.spec.name


def best(specs: Iterable[Spec], identity: Identity) -> Match | None:
    """The spec to decode this meter by; the generic spec of its protocol only where no product's spec fits."""
    return next(iter(rank(specs, identity)), None)


class _Known:
    """What is known of a meter, by the names of a spec's conditions."""

    def __init__(self, identity: Identity) -> None:
        self.protocol = str(identity.protocol)
        self.facts = {
            **identity.facts,
            "manufacturer": identity.manufacturer or identity.facts.get("manufacturer", ""),
            "product": identity.product or identity.facts.get("product", ""),
            "serial": identity.serial or identity.facts.get("serial", ""),
            "firmware": identity.firmware or identity.facts.get("firmware", ""),
        }
        self.addresses = frozenset(identity.addresses)


def _try(spec: Spec, known: _Known) -> Match | None:
    if known.protocol != spec.match.protocol:
        return None
    reasons = [("protocol " + spec.match.protocol, WEIGHTS["protocol"])]
    for what, points in _conditions(spec.match, known):
        if points is None:
            return None
        reasons.append((what, points))
    reasons += [(f"prefers {what}", points) for what, points in _conditions(spec.match.prefer, known) if points]
    if spec.match.bonus:
        reasons.append(("bonus", spec.match.bonus))
    score = WEIGHTS["protocol"] if spec.generic else sum(points for _, points in reasons)
    return Match(spec, score, tuple(f"{what}: {points}" for what, points in reasons))


def _conditions(rule: Conditions, known: _Known) -> Iterator[tuple[str, int | None]]:
    """Each condition given, with its points, or None where it does not hold."""
    for name in ("manufacturer", "product", "identification", "version", "firmware", "serial"):
        patterns = getattr(rule, name)
        if patterns is not None:
            yield _facts(name, patterns, known.facts.get(name, ""), WEIGHTS[name])
    for name, patterns in rule.facts.items():
        yield _facts(name, patterns, known.facts.get(name, ""), WEIGHTS["facts"])
    yield from _addresses(rule, known.addresses)


def _facts(name: str, patterns: tuple[str, ...], value: str, weight: int) -> tuple[str, int | None]:
    fitting = [pattern for pattern in patterns if wildcard(pattern, value)] if value else []
    if not fitting:
        return f"{name} is not {' or '.join(patterns)}", None
    narrowest = max(len(pattern.replace("*", "").replace("?", "")) for pattern in fitting)
    return f"{name} {value[:64]}", weight + min(narrowest, NARROW_MAX)


def _addresses(rule: Conditions, present: frozenset[str]) -> Iterator[tuple[str, int | None]]:
    checks: tuple[tuple[str, tuple[str, ...], Callable[[frozenset[str]], bool], int], ...] = (
        ("has all", rule.all, lambda there: len(there) == len(set(rule.all)), min(ALL_EACH * len(rule.all), ALL_MAX)),
        ("has one", rule.any, bool, ANY),
        ("has none", rule.none, lambda there: not there, NONE),
    )
    for what, wanted, holds, points in checks:
        if wanted:
            yield f"{what} of {', '.join(wanted)}"[:200], points if holds(present.intersection(wanted)) else None
