"""A spec proposed from the raw frames of an unknown product: YAML for an engineer to name, check and publish."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from broker.contract.obis import Kind, Obis, canonical, lookup, spell
from broker.errors import ContractError
from broker.wording import counted
from meters.decoding.goldens import check_golden
from meters.drafts.goldens import golden_lines
from meters.drafts.survey import Capture, Observed, RawFrame, captures_of, shared_facts, survey
from meters.specs.bounds import MAX_DOCUMENT_BYTES
from meters.specs.catalogue import catalogue
from meters.specs.sections import SERIAL
from meters.specs.spec import Spec, load_spec
from meters.telegram import Wire

UNNAMED: Final = "draft"
"""The name under which a draft proves itself; the text that is given out has none."""
MAX_POINTS: Final = 150
MAX_ALL: Final = 16
_GUESSED: Final = "guessed: "
_ZONE: Final = "Europe/Berlin"
_MODE_D_SERIAL: Final = ("9600 7E1", "2400 7E1")
_MEDIA: Final = {6: "heat", 7: "gas", 8: "water", 9: "water"}


@dataclass(frozen=True, slots=True)
class Draft:
    """A proposal: its text without a name, and what it was made from."""

    text: str
    protocol: Wire
    telegrams: int
    codes: int
    goldens: int
    guessed_units: dict[str, str] = field(default_factory=dict)
    """Units that are guesses, by address as the wire writes it: no unit stands there."""


def propose(frames: Iterable[RawFrame], protocol: Wire | None = None, units: Mapping[str, str] | None = None) -> Draft:
    """A spec that reads these frames; what is guessed says so in a comment.

    `units` are those of addresses for which the wire names none, by somebody who has seen the display. Raises
    ContractError where the frames hold no telegram, and for a unit that can't be.
    """
    captures = captures_of(frames, protocol)
    wire = captures[0].telegram.protocol
    observed = survey(captures)
    _take_units(observed, units or {})
    generic = next(spec for spec in catalogue() if spec.generic and spec.match.protocol is wire)
    head = [*_head(captures, observed), *_how(captures, generic), *_points(observed, len(captures))]
    bare = load_spec(_named("\n".join(head)), origin=UNNAMED)
    proofs = [lines for lines in golden_lines(captures, generic, bare) if not _fails(head, lines)]
    while len("\n".join([*head, *(line for lines in proofs for line in lines)]).encode()) > MAX_DOCUMENT_BYTES - 1024:
        proofs.pop()
    goldens = ["goldens:", *(line for lines in proofs for line in lines)] if proofs else [
        "# goldens: none of the frames gives a reading yet; mend the points, then add a telegram with its readings",
    ]  # fmt: skip
    text = "\n".join([*head, *goldens]) + "\n"
    return Draft(text, wire, len(captures), len(bare.points), len(proofs), _guessed_units(observed))


def _guessed_units(observed: dict[str, Observed]) -> dict[str, str]:
    guessed = (
        one for one in observed.values() if one.lacks_unit and not one.said and _as_read(one, observed) is not None
    )
    return {one.on_the_wire: one.guessed_unit for one in guessed if one.guessed_unit}


def _fails(head: list[str], lines: list[str]) -> bool:
    """Whether a golden would not hold, so that it must not be proposed."""
    try:
        spec = load_spec(_named("\n".join([*head, "goldens:", *lines])), origin=UNNAMED)
    except ContractError:
        return True
    return any(True for golden in spec.goldens for _ in check_golden(spec, golden, None))


def _named(text: str) -> str:
    return text.replace("name: ''", f"name: {UNNAMED}", 1)


def plain(text: str, most: int = 100) -> str:
    """Text from a line as it may stand in a comment or a value: printable, one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:most]


def quoted(text: str, most: int = 100) -> str:
    """The same as a YAML scalar."""
    return "'" + plain(text, most).replace("'", "''") + "'"


def _head(captures: list[Capture], observed: dict[str, Observed]) -> Iterator[str]:
    facts = shared_facts(captures)
    maker = facts.get("manufacturer", "")
    product = facts.get("product") or facts.get("identification", "").strip("*?")
    wire = captures[0].telegram.protocol
    unitless = _guessed_units(observed)
    medium = next(
        (name for a, name in _MEDIA.items() if any(s.code and s.code.a == a for s in observed.values())), None
    )
    yield f"# A draft made from {counted(len(captures), 'telegram')}. Name it, check each guess, and publish it."
    if unitless:
        yield f"# No unit is on the wire for {plain(', '.join(unitless), 300)}: without one nothing reads it."
        yield "# Those below are guessed by the OBIS code; compare the numbers with the meter's display."
    yield "name: ''  # name it: maker and model in lower case, for example acme-one"
    yield "version: 1"
    yield "product:"
    if re.fullmatch("[A-Z]{3}", maker):
        yield f"  manufacturer: {maker}"
    yield f"  name: {quoted(product or f'{maker} {wire} meter'.strip())}  # {_GUESSED}what the type plate says"
    if medium:
        yield f"  medium: {medium}  # {_GUESSED}by its codes"
    yield "match:"
    yield f"  protocol: {wire}"
    yield from _conditions(facts, captures, observed)
    yield "source:"
    yield f"  - {quoted(f'raw frames: {captures[0].origin}', 300)}"


def _conditions(facts: dict[str, str], captures: list[Capture], observed: dict[str, Observed]) -> Iterator[str]:
    """Facts that all telegrams share; where the wire names no model, the registers stand for it."""
    any_given = False
    for name in ("manufacturer", "identification", "product"):
        value = facts.get(name)
        if value and (name != "product" or "identification" not in facts):
            any_given |= name != "manufacturer"
            pattern = value if name == "identification" else value.replace("*", "?")
            if pattern.count("*") <= 8 and plain(pattern, 128) == pattern:
                yield f"  {name}: {quoted(pattern, 128)}  # {_GUESSED}narrow enough for this product, and no narrower"
    if any_given:
        return
    steady = [one for one in observed.values() if one.telegrams == len(captures) and _is_register(one)]
    if steady:
        yield f"  # {_GUESSED}no model on the wire, so registers tell; none that only an unlocked meter sends"
        yield f"  all: {json.dumps([one.address for one in steady[:MAX_ALL]])}"


def _take_units(observed: dict[str, Observed], units: Mapping[str, str]) -> None:
    """Note what somebody says of units. Raises ContractError."""
    for address, unit in units.items():
        one, field = _named_by(observed, address), f"units.{address}"[:200]
        if one is None or one.low is None:
            raise ContractError(
                "no number of this address is in the frames", field=field, fix="see the draft without it"
            )
        if one.units:
            raise ContractError(f"the wire names {one.units[0]}", field=field, fix="leave it out")
        one.said = spell(unit)
        if one.code is not None:
            try:
                canonical(one.code, Decimal(0), one.said)
            except ContractError as error:
                raise ContractError(error.reason, field=field, fix=error.fix) from error


def _named_by(observed: dict[str, Observed], address: str) -> Observed | None:
    """The address as it is known here, as the wire writes it, or as the code that the draft reads it as."""
    for one in observed.values():
        code = _as_read(one, observed)
        if address in (one.address, one.on_the_wire) or (code is not None and address == str(code)):
            return one
    return None


def _is_register(one: Observed) -> bool:
    quantity = one.quantity
    return quantity is not None and quantity.kind is Kind.REGISTER and one.low is not None


def _how(captures: list[Capture], generic: Spec) -> Iterator[str]:
    """Link, check and clock: what the protocol's generic spec has, as long as nobody knows better."""
    link = generic.link
    pushes = link.mode == "push" or all(_is_mode_d(one.frame) for one in captures)
    usual = link.serial if pushes == (link.mode == "push") else _MODE_D_SERIAL
    yield "link:"
    yield f"  mode: {'push' if pushes else link.mode}"
    lines = [line for line, _ in Counter(one.line for one in captures if SERIAL.fullmatch(one.line)).most_common(4)]
    if lines:
        yield f"  serial: {json.dumps(lines)}  # as its device found it"
    else:
        yield f"  serial: {json.dumps(list(usual))}  # {_GUESSED}the usual ones of the protocol"
    if link.interval_s is not None and usual is link.serial:
        yield f"  interval_s: {link.interval_s}  # {_GUESSED}how often it sends, or is to be asked"
    if generic.match.protocol is Wire.P1 and all(one.frame.rpartition(b"!")[2].strip() for one in captures):
        yield "decode:"
        yield "  checksum: required"
        if crcs := list(dict.fromkeys(one.crc for one in captures if one.crc)):
            yield f"  crc: {json.dumps(crcs)}  # not CRC-16/ARC, which the standard asks for"
    yield "time:"
    if generic.time.source[0] == "device":
        yield "  source: device"
    else:
        yield f"  zone: {generic.time.zone or _ZONE}  # {_GUESSED}where the meter hangs"
    yield "# digits: 6  # whole digits of its registers in kWh, for the rollover: see the display"
    yield "standard: true"


def _is_mode_d(frame: bytes) -> bool:
    """Whether a readout came unasked: mode D has an identification and no STX (IEC 62056-21 6.4.5)."""
    octets = bytes(octet & 0x7F for octet in frame)
    return octets.startswith(b"/") and b"\x02" not in octets


def _points(observed: dict[str, Observed], telegrams: int) -> Iterator[str]:
    read = [(one, code) for one in observed.values() if one.low is not None and (code := _as_read(one, observed))]
    if read:
        yield "points:"
    for one, code in read[:MAX_POINTS]:
        yield from _point(one, code, telegrams)
    taken = {one.address for one, _ in read[:MAX_POINTS]}
    rest = [one for one in observed.values() if one.address not in taken]
    if rest:
        yield "# Seen beside these; `standard` reads what the OBIS catalogue knows of it:"
    for one in rest[:MAX_POINTS]:
        number = "" if one.low is None else f"number, {_span(one)}"
        yield f"#   {plain(one.address, 40)}: {number or 'text ' + quoted(one.text, 40)}"


def _as_read(one: Observed, observed: dict[str, Observed]) -> Obis | None:
    """The code that an address is read as; None for billing periods, channels of a meter behind it, identifications.

    Where only `*0` of a code is sent, that is the value of now.
    """
    code = one.code
    if code is None or (code.a == 0 and 1 <= code.b <= 9):
        return None
    if one.quantity is None and not one.units and not one.said:
        return None
    now = replace(code, f=255)
    if code.f == 255 or (code.f == 0 and str(now) not in observed):
        return now
    return None


def _point(one: Observed, code: Obis, telegrams: int) -> Iterator[str]:
    quantity = lookup(code)
    known = f"{quantity.name}, {quantity.kind}" if quantity else "not in the OBIS catalogue"
    yield f"  - obis: {code}  # {known}; {_span(one)}"
    if one.address != str(code):
        spelled = f"  # {plain(one.spelled, 40)} on the wire" if one.spelled else ""
        yield f"    from: {quoted(one.address, 40)}{spelled}"
    if one.units:
        yield f"    unit: {json.dumps(one.units[:8], ensure_ascii=False)}"
    elif one.said:
        yield f"    unit: {json.dumps(one.said, ensure_ascii=False)}  # as its display shows; the wire names none"
    elif one.guessed_unit:
        yield f"    unit: {one.guessed_unit}  # {_GUESSED}the wire names none; compare with the display"
    elif quantity is not None and quantity.unit is None:
        yield "    # unit: W  # no unit on the wire, and the code leaves it open: left out until it stands here"
    if quantity is None:
        yield f"    kind: {one.guessed_kind}  # {_GUESSED}by its unit, and whether it ever fell"
    if not (_is_register(one) and one.telegrams == telegrams):
        yield "    optional: true"


def _span(one: Observed) -> str:
    unit = plain(" ".join(one.units), 40)
    span = f"{one.low}" if one.low == one.high else f"{one.low} to {one.high}"
    scaler = f"; scaler {', '.join(str(scaler) for scaler in one.scalers[:4])}" if one.scalers else ""
    return f"{span[:60]} {unit}".rstrip() + scaler + f"; in {counted(one.telegrams, 'telegram')}"
