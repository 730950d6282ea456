"""Mending of records that a product sends wrong, as its spec's quirks say, before anything else reads them."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from broker.patterns import wildcard
from meters.specs.sections import Guard, Quirk, StatusBit
from meters.telegram import Record

ByAddress = Mapping[str, Record]


def mend(quirks: tuple[Quirk, ...], records: tuple[Record, ...], facts: Mapping[str, str]) -> tuple[Record, ...]:
    """The records with every quirk done whose guard holds for the telegram as it came."""
    by_address = {record.address: record for record in reversed(records)}
    for quirk in quirks:
        wrong = [r.address in quirk.addresses and _holds(quirk.when, r, by_address, facts) for r in records]
        if any(wrong):
            mended = (_mended(quirk, r, by_address) if bad else r for r, bad in zip(records, wrong, strict=True))
            records = tuple(record for record in mended if record is not None)
    return records


def bit_is(rule: StatusBit, own: str, by_address: ByAddress) -> bool | None:
    """Whether the status bit stands as the rule says; None where the record or its status is missing."""
    for address in rule.sources or (own,):
        record = by_address.get(address)
        if record is not None and record.status is not None:
            return rule.is_set(record.status)
    return None


def _holds(guard: Guard, record: Record, by_address: ByAddress, facts: Mapping[str, str]) -> bool:
    if guard.status is not None and bit_is(guard.status, record.address, by_address) is not True:
        return False
    if guard.width and record.width not in guard.width:
        return False
    if guard.negative is not None:
        negative = isinstance(record.value, Decimal) and record.value < 0
        if negative is not guard.negative:
            return False
    return (
        all(any(wildcard(p, facts.get(name, "")) for p in patterns) for name, patterns in guard.facts.items())
        and all(address in by_address for address in guard.present)
        and not any(address in by_address for address in guard.absent)
    )


def _mended(quirk: Quirk, record: Record, by_address: ByAddress) -> Record | None:
    if quirk.do == "drop":
        return None
    if quirk.do == "rename":
        return replace(record, address=quirk.to or record.address)
    if quirk.do == "unit":
        return replace(record, unit=quirk.unit)
    if not isinstance(record.value, Decimal):
        return record
    if quirk.negative_if is not None:
        negative = bit_is(quirk.negative_if, record.address, by_address)
        signed = record.value if negative is None else -abs(record.value) if negative else abs(record.value)
        return replace(record, value=signed)
    return replace(record, value=_mended_number(quirk, record, record.value))


def _mended_number(quirk: Quirk, record: Record, value: Decimal) -> Decimal:
    if quirk.do == "negate":
        return -value
    if quirk.do == "scale" and quirk.by is not None:
        return value * quirk.by
    if quirk.do == "unsigned" and value < 0 and record.width:
        # What a too short signed integer lacks is 2 to the power of its bits, in steps of the wire's scaler.
        return value + (1 << 8 * abs(record.width)) * Decimal(1).scaleb(record.scaler or 0)
    return value
