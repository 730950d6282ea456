"""Whether a document may be published as a spec: its fields, its goldens, and ties with other specs. Pure functions."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Final

from broker.errors import ContractError
from broker.patterns import OBIS_CODE
from gateway.faults import Fault
from meters.decoding.goldens import Difference, check_golden, frame_bytes, identity_of
from meters.specs.document import read_document
from meters.specs.identify import Identity
from meters.specs.match import best
from meters.specs.spec import Golden, Spec, refusals, spec_from
from meters.wires.readers import make_framer

MAX_FAULTS: Final = 100
"""More than a person mends in one round; a document may be wrong in 20 000 places."""
_CODE: Final = re.compile(f"{OBIS_CODE}$")


@dataclass(frozen=True, slots=True)
class GoldenFault:
    """Where a golden gives something else than it states; `field` is the path of the statement in the document."""

    field: str
    golden: str
    code: str | None
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Tie:
    """A telegram for which a spec of another name fits exactly as well, so that chance would choose."""

    golden: str
    """The golden whose telegram it is, `name@version: golden` where it is the other spec's."""
    spec: str
    score: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came out: the spec where it can be read, and all that speaks against publishing it."""

    spec: Spec | None
    problems: tuple[Fault, ...] = ()
    goldens: tuple[GoldenFault, ...] = ()
    ties: tuple[Tie, ...] = ()
    checked: int = 0
    """Goldens that were run."""
    unchecked: tuple[str, ...] = ()
    """Goldens whose bytes are a capture that is not at hand."""

    @property
    def publishable(self) -> bool:
        """Nothing speaks against it."""
        return self.spec is not None and not (self.problems or self.goldens or self.ties)

    def faults(self) -> tuple[Fault, ...]:
        """All that speaks against it, each with the field in the document."""
        wrong = [
            Fault(
                one.field,
                f"golden {one.golden!r}: expected {one.expected}, got {one.got}",
                "mend the spec or the golden",
            )
            for one in self.goldens
        ]
        ties = [
            Fault(
                "match",
                f"{one.spec} fits the telegram of golden {one.golden!r} with the same score, {one.score}",
                f"make one of them more specific, add bonus, or deprecate {one.spec}",
            )
            for one in self.ties
        ]
        return (*self.problems, *wrong, *ties)[:MAX_FAULTS]


def read_spec(text: str | bytes, *, origin: str = "body") -> tuple[Spec | None, tuple[Fault, ...]]:
    """The spec in a YAML or JSON text, or all that keeps it from being one."""
    try:
        document = read_document(text, origin=origin)
        found = refusals(document)
        if not found:
            return spec_from(document, origin=origin), ()
    except ContractError as error:
        found = [error]
    return None, tuple(Fault(error.field, error.reason, error.fix) for error in found[:MAX_FAULTS])


def examine(text: str | bytes, others: Iterable[Spec], *, origin: str = "body") -> Verdict:
    """Judge a document against itself and the `others` that are published; those of its own name are passed over."""
    spec, problems = read_spec(text, origin=origin)
    return Verdict(None, problems) if spec is None else judge(spec, others)


def judge(spec: Spec, others: Iterable[Spec]) -> Verdict:
    """Run the goldens of a spec and look for ties."""
    faults: list[GoldenFault] = []
    unchecked = []
    for number, golden in enumerate(spec.goldens):
        if golden.frame.capture is not None:
            unchecked.append(golden.name)
            continue
        faults += [_fault(number, difference) for difference in check_golden(spec, golden, None)]
    checked = len(spec.goldens) - len(unchecked)
    problems = () if checked else (_no_golden(unchecked),)
    ties = tuple(_ties(spec, [other for other in others if other.name != spec.name]))
    return Verdict(spec, problems, tuple(faults), ties, checked, tuple(unchecked))


def tied(spec: Spec, others: Iterable[Spec]) -> Verdict:
    """Look for ties only, of a spec whose goldens are known to hold."""
    return Verdict(spec, ties=tuple(_ties(spec, [other for other in others if other.name != spec.name])))


def _no_golden(unchecked: list[str]) -> Fault:
    if unchecked:
        return Fault("goldens.0.frame.capture", "no golden has its bytes in the spec", "give hex, base64 or text")
    return Fault("goldens", "no golden telegram shows that it works", "add a telegram with the readings it must give")


def _fault(number: int, difference: Difference) -> GoldenFault:
    code = _CODE.search(difference.place)
    return GoldenFault(
        f"goldens.{number}.{difference.place}",
        difference.golden,
        code.group() if code else None,
        difference.expected,
        difference.got,
    )


def _ties(spec: Spec, others: list[Spec]) -> Iterable[Tie]:
    """Ties on the telegrams of its own goldens, and on those of the others for which it would be chosen as well."""
    rivals = [
        other for other in others if other.generic == spec.generic and other.match.protocol == spec.match.protocol
    ]
    own = ((golden.name, identity, rivals) for golden, identity in _identities(spec))
    theirs = (
        (f"{other.ref}: {golden.name}", identity, [other])
        for other in rivals
        for golden, identity in _identities(other)
    )
    seen = set()
    for name, identity, against in chain(own, theirs):
        mine = best([spec], identity)
        for other in against if mine else ():
            match = best([other], identity)
            if mine and match and match.score == mine.score and other.ref not in seen:
                seen.add(other.ref)
                yield Tie(name, other.ref, match.score)


def _identities(spec: Spec) -> Iterable[tuple[Golden, Identity]]:
    for golden in spec.goldens:
        if golden.error is not None or golden.frame.capture is not None:
            continue
        try:
            data = frame_bytes(golden, None)
        except ValueError:
            continue
        framer = make_framer(spec.match.protocol, spec.decode.crc)
        items = [*framer.feed(data or b""), *framer.finish()]
        identity = identity_of(items[: golden.telegram], golden.facts)
        if identity is not None:
            yield golden, identity
