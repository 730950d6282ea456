"""Goldens for a drafted spec: stored frames with what the generic spec of their protocol makes of them."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Final

from broker.errors import FrameError
from meters.decoding.engine import Decoded, decode
from meters.drafts.survey import Capture
from meters.specs.spec import Spec

MAX_GOLDENS: Final = 4
MAX_BYTES: Final = 8000
"""A golden's hex digits may be 16 384, blanks included."""
_LINE: Final = 50
_MAX_VALUES: Final = 200


def golden_lines(captures: Iterable[Capture], generic: Spec, draft: Spec) -> list[list[str]]:
    """The lines of each golden, telegrams of another set of addresses first, so that few show much."""
    shapes: set[tuple[str, ...]] = set()
    first: list[Capture] = []
    more: list[Capture] = []
    for one in captures:
        if len(one.frame) > MAX_BYTES:
            continue
        shape = one.telegram.addresses
        (more if shape in shapes else first).append(one)
        shapes.add(shape)
    proofs = (lines for one in (*first, *more) if (lines := _golden(one, generic, draft)))
    return list(islice(proofs, MAX_GOLDENS))


def _golden(one: Capture, generic: Spec, draft: Spec) -> list[str]:
    by = generic
    try:
        decoded = decode(generic, one.telegram)
    except FrameError:
        try:
            by, decoded = draft, decode(draft, one.telegram)
        except FrameError:
            return []
    who = f"decoded by {generic.ref}" if by is generic else "decoded by this draft itself"
    lines = [f"  - name: {_quoted(f'frame of {len(one.frame)} bytes')}"]
    if by is draft:
        lines.append("    # guessed: no generic spec reads it, so these are this draft's own readings")
    lines += [f"    source: {_quoted(f'{one.origin}, {who}')}", "    frame:", "      hex: |"]
    digits = one.frame.hex()
    lines += [f"        {digits[n : n + 2 * _LINE]}" for n in range(0, len(digits), 2 * _LINE)]
    return [*lines, *_readings(decoded)]


def _readings(decoded: Decoded) -> Iterator[str]:
    live = [sample for sample in decoded.samples if not sample.profile]
    own: dict[str, Decimal] = {}
    for sample in live:
        own |= {} if sample.sub_meter else sample.values
    if decoded.at is not None:
        yield f"    at: '{_stamp(decoded.at)}'"
    if own:
        yield "    values:"
        yield from _values(own, "      ")
    behind = [sample for sample in live if sample.sub_meter][:8]
    if behind:
        yield "    meters:"
    for sample in behind:
        yield f"      {_quoted(sample.sub_meter)}:"
        yield from _values(sample.values, "        ")
    rows = [sample for sample in decoded.samples if sample.profile and sample.at][:8]
    if rows:
        yield "    profile:"
    for row in rows:
        if row.at is not None:
            yield f"      - at: '{_stamp(row.at)}'"
            yield "        values:"
            yield from _values(row.values, "          ")


def _values(values: dict[str, Decimal], indent: str) -> Iterator[str]:
    for code, value in islice(values.items(), _MAX_VALUES):
        yield f"{indent}{code}: '{value:f}'"


def _quoted(text: str) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)[:120]
    return "'" + shown.replace("'", "''") + "'"


def _stamp(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
