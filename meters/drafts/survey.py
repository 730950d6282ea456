"""What a set of raw frames shows of an unknown product: facts that all share, and each address with what it carries."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from broker.contract.obis import Kind, Obis, Quantity, lookup
from broker.errors import ContractError, FrameError
from meters.telegram import Frame, Record, Telegram, Wire
from meters.wires.iec62056_dataset import completed, normal_address
from meters.wires.meter_key import KeyNeededError
from meters.wires.other_protocols import OtherProtocol, recognise
from meters.wires.readers import AnyFramer, make_framer, parse
from meters.wires.text.checks import unparity

_DIGITS: Final = re.compile(r"\d{5,}")
_NAME: Final = re.compile(r"[0-9A-Z][0-9A-Z.:*&-]{0,39}(?=\()")
_ENERGY: Final = ("Wh", "varh", "VAh", "J", "m³", "l")
MAX_ADDRESSES: Final = 1024


@dataclass(frozen=True, slots=True)
class RawFrame:
    """Bytes as they came from a line, where they are from in words, and by which line settings, '' where unknown."""

    data: bytes
    origin: str = "pasted"
    line: str = ""


@dataclass(frozen=True, slots=True)
class Capture:
    """A telegram with the bytes of its frame alone."""

    telegram: Telegram
    frame: bytes
    origin: str
    crc: str = ""
    line: str = ""


@dataclass(slots=True)
class Observed:
    """One address over all telegrams; `telegrams` of them have it, `falls` says that its number ever fell."""

    address: str
    telegrams: int = 0
    units: list[str] = field(default_factory=list)
    scalers: list[int] = field(default_factory=list)
    low: Decimal | None = None
    high: Decimal | None = None
    falls: bool = False
    text: str = ""
    spelled: str = ""
    """The address as the wire writes it, where that is not how broker.contract.obis does."""
    said: str = ""
    """Its unit by somebody who has seen the display, where the wire names none."""
    plain_units: bool = False
    """The protocol counts in W and Wh where it names no unit (DLMS), and not in kW and kWh as people do."""

    @property
    def guessed_unit(self) -> str:
        """The likely unit of numbers without one, by what they measure; '' where that has none or leaves it open."""
        unit = (self.quantity.unit if self.quantity else None) or ""
        return unit.removeprefix("k") if self.plain_units else unit

    @property
    def code(self) -> Obis | None:
        """The address as an OBIS code; None for a vendor's own."""
        try:
            return Obis.parse(self.address)
        except ContractError:
            return None

    @property
    def on_the_wire(self) -> str:
        """The address as it stands there."""
        return self.spelled or self.address

    @property
    def quantity(self) -> Quantity | None:
        """What the OBIS catalogue says that it measures."""
        return lookup(self.code) if self.code else None

    @property
    def lacks_unit(self) -> bool:
        """Whether its numbers come without a unit though they measure what has one: no reading comes of them.

        That holds for codes whose unit is open, too.
        """
        return self.low is not None and not self.units and self.quantity is not None and self.quantity.unit != ""

    @property
    def guessed_kind(self) -> Kind:
        """What an address behaves like that no rule names: an energy that never fell is a register."""
        rises = not self.falls and any(unit.endswith(_ENERGY) for unit in (*self.units, self.said))
        return Kind.REGISTER if rises else Kind.INSTANTANEOUS

    def take(self, record: Record) -> None:
        """Note one value."""
        if record.unit is not None and record.unit not in self.units:
            self.units.append(record.unit)
        if record.scaler is not None and record.scaler not in self.scalers:
            self.scalers.append(record.scaler)
        if isinstance(record.value, Decimal) and record.value.is_finite():
            self.falls |= self.high is not None and record.value < self.high
            self.low = record.value if self.low is None else min(self.low, record.value)
            self.high = record.value if self.high is None else max(self.high, record.value)
        elif record.value is not None and not self.text:
            self.text = record.value.hex() if isinstance(record.value, bytes) else str(record.value)


def captures_of(frames: Iterable[RawFrame], protocol: Wire | None) -> list[Capture]:
    """The telegrams in the frames, in their order; of several protocols, the one that most are of.

    Raises ContractError where there is none.
    """
    captures = []
    other: OtherProtocol | None = None
    locked: KeyNeededError | None = None
    for raw in frames:
        other = other or recognise(raw.data)
        framer = AnyFramer(any_crc=True) if protocol is None else make_framer(protocol, any_crc=True)
        for item in (*framer.feed(raw.data), *framer.finish()):
            if isinstance(item, Frame):
                try:
                    captures.append(Capture(parse(item), item.data, raw.origin, item.crc, raw.line))
                except KeyNeededError as error:
                    locked = error
                except FrameError:
                    continue
    if not captures and locked is not None:
        fix = "give frames in the clear; a key stays with its meter"
        raise ContractError(f"they are {locked.detail}", field="frames", fix=fix)
    if not captures and other is not None:
        raise ContractError(f"they are {other.text}", field="frames", fix="no spec can read them yet")
    if not captures:
        raise ContractError("none holds a whole telegram of a protocol that Wattline reads", field="frames",
                            fix="wattline decode says what is wrong with them")  # fmt: skip
    most = Counter(one.telegram.protocol for one in captures).most_common(1)[0][0]
    captures = [one for one in captures if one.telegram.protocol is most]
    # beside telegrams with the usual CRC, another one is a damaged telegram that fits by chance
    usual = [one for one in captures if not one.crc]
    return usual or captures


def survey(captures: Iterable[Capture]) -> dict[str, Observed]:
    """Each address in the order of the wire, bounded by MAX_ADDRESSES; load profiles are left out."""
    observed: dict[str, Observed] = {}
    for one in captures:
        met = set()
        for record in one.telegram.records:
            if record.address not in observed and len(observed) >= MAX_ADDRESSES:
                continue
            entry = observed.get(record.address)
            if entry is None:
                entry = observed[record.address] = Observed(
                    record.address,
                    spelled=_spelling(one.frame, record.address),
                    plain_units=one.telegram.protocol is Wire.DLMS,
                )
            if record.address not in met:
                met.add(record.address)
                entry.telegrams += 1
                entry.take(record)
    return observed


def without_unit(frames: Iterable[RawFrame]) -> tuple[str, ...]:
    """The addresses in frames, as the wire writes them, that nothing reads for want of a unit; () for no telegram."""
    try:
        observed = survey(captures_of(frames, None))
    except ContractError:
        return ()
    return tuple(one.on_the_wire for one in observed.values() if one.lacks_unit)


def _spelling(frame: bytes, address: str) -> str:
    """How a text protocol's frame writes an address that a reader has made whole; '' where it is as it stands."""
    for found in _NAME.findall(unparity(frame).decode("latin-1")):
        if found != address and completed(normal_address(found, reduced=True)) == address:
            return str(found)
    return ""


def shared_facts(captures: Iterable[Capture]) -> dict[str, str]:
    """Facts that never differ where a telegram has them, less those that distinguish meters."""
    values: dict[str, set[str]] = {}
    serials = set()
    for one in captures:
        for name, value in one.telegram.facts.items():
            values.setdefault(name, set()).add(value)
        serials |= {value for name, value in one.telegram.facts.items() if name == "serial"}
    shared = {name: next(iter(found)) for name, found in values.items() if len(found) == 1}
    if "identification" in values:
        pattern = common_pattern([family_text(text, serials) for text in values["identification"]])
        shared.pop("identification", None)
        if pattern:
            shared["identification"] = pattern
    return {name: value for name, value in shared.items() if name not in ("serial", "server_id")}


def family_text(text: str, serials: Iterable[str]) -> str:
    """An identification as a pattern of its product: a serial and long runs of digits become `*`."""
    plain = text.replace("*", "?")
    for serial in serials:
        if len(serial) >= 4:
            plain = plain.replace(serial, "*")
    return re.sub(r"\*+", "*", _DIGITS.sub("*", plain))


def common_pattern(texts: list[str]) -> str:
    """The pattern that all fit: the text where they are one, else what they begin with; '' where that says nothing."""
    if len(set(texts)) == 1:
        return texts[0] if texts[0].strip("*?") else ""
    first, last = min(texts), max(texts)
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return f"{first[:length]}*".replace("**", "*") if length >= 4 else ""
