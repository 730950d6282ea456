"""What became of each record by a spec: which reading, which meter's, or why none."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from broker.contract.obis import Obis
from broker.errors import ContractError
from broker.patterns import wildcard
from meters.decoding.engine import Decoded
from meters.decoding.plan import Plan, plan_of
from meters.decoding.quirks import mend
from meters.specs.spec import Spec
from meters.telegram import Record, Telegram

UNMAPPED = "not mapped by the spec"


@dataclass(frozen=True, slots=True)
class _Known:
    """The spec and what it gave, ready to be asked for each record."""

    plan: Plan
    left_out: dict[str, str]
    readings: dict[str, list[tuple[str, Decimal, str]]]
    """By code: the sub-meter ('' for the meter), value and unit."""


def outcomes(spec: Spec, telegram: Telegram, decoded: Decoded | None) -> list[str]:
    """A line for each record of the telegram, in its order."""
    readings: dict[str, list[tuple[str, Decimal, str]]] = {}
    for sample in decoded.samples if decoded else ():
        if not sample.profile:
            for code, value in sample.values.items():
                readings.setdefault(code, []).append((sample.sub_meter, value, sample.units.get(code, "")))
    left_out = {refusal.address: refusal.reason for refusal in decoded.refused} if decoded else {}
    known = _Known(plan_of(spec), left_out, readings)
    mended = _mended(spec, telegram)
    return [_outcome(known, record, mended[place]) for place, record in enumerate(telegram.records)]


def unmapped(telegram: Telegram, became: list[str]) -> tuple[str, ...]:
    """The numeric addresses that the spec makes nothing of, in the order of the wire."""
    pairs = zip(telegram.records, became, strict=True)
    return tuple(dict.fromkeys(record.address for record, outcome in pairs if outcome == UNMAPPED))


def _mended(spec: Spec, telegram: Telegram) -> list[Record | None]:
    """Each record as the quirks leave it, None where one drops it."""
    records = telegram.records
    touched = {address for quirk in spec.quirks for address in quirk.addresses}
    if not touched:
        return list(records)
    after: list[Record | None] = list(records)
    # Renames keep the place of a record, drops do not: where one happened the rest is distinguished by identity.
    mended = mend(spec.quirks, records, telegram.facts)
    if len(mended) == len(records):
        return list(mended)
    kept = {id(record) for record in mended}
    others = iter([record for record in mended if not any(record is one for one in records)])
    for place, record in enumerate(records):
        if id(record) not in kept:
            after[place] = next(others, None) if record.address in touched else None
    return after


def _outcome(known: _Known, record: Record, mended: Record | None) -> str:
    if mended is None:
        return "dropped by a quirk of the spec"
    quirk = "" if mended == record else " after a quirk of the spec"
    if record.value is None:
        return "no value on the wire"
    if not isinstance(mended.value, Decimal):
        return "octets, no reading" if isinstance(record.value, bytes) else "a text, no reading"
    readings = list(_readings(known, mended))
    return "; ".join(readings) + quirk if readings else _why_none(known, mended)


def _why_none(known: _Known, mended: Record) -> str:
    reason = known.left_out.get(mended.address)
    if reason:
        return f"left out: {reason}"
    if any(wildcard(pattern, mended.address) for pattern in known.plan.spec.exclude):
        return "left out: the spec excludes it"
    return UNMAPPED if not _behind(mended.address) else "a value of a sub-meter's channel, no reading"


def _readings(known: _Known, record: Record) -> Iterator[str]:
    """The readings that this record is the source of."""
    for point, sources in known.plan.points:
        if record.address in sources and record.index == point.index:
            for sub_meter, value, unit in known.readings.get(point.obis, ()):
                if not sub_meter:
                    yield _reading(point.obis, value, unit)
    conversion = known.plan.standard(record.address, record.unit)
    code = conversion.code if conversion.reason is None else record.address
    if conversion.reason is None and record.index == 0:
        yield from (_reading(code, value, unit) for own, value, unit in known.readings.get(code, ()) if not own)
    if _behind(record.address):
        for own, value, unit in known.readings.get(record.address, ()):
            if own:
                yield f"{_reading(record.address, value, unit)} of meter {own}"


def _reading(code: str, value: Decimal, unit: str) -> str:
    return f"reading {code} = {value:f} {unit}".rstrip()


def _behind(address: str) -> bool:
    """Tell an address of an M-Bus channel, whose value is another meter's."""
    try:
        code = Obis.parse(address)
    except ContractError:
        return False
    return code.a == 0 and 1 <= code.b <= 9
