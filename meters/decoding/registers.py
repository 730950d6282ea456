"""Octets that Modbus reads brought into records of numbers, by the registers of a spec."""

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from meters.specs.registers import Register, Registers
from meters.specs.spec import Spec
from meters.telegram import Record, Telegram, Wire
from meters.wires.modbus.values import number

_READ: Final = re.compile(r"([34]):0x([0-9a-f]{4})")
_OCTETS: Final = 2
_MAX_POWER: Final = 10
"""SunSpec's scale factors are -10 to 10."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A register with its record, and where its octets stand: which record of the telegram, from which octet on."""

    register: Register
    record: Record
    block: int
    first: int
    octets: bytes


def typed(spec: Spec, telegram: Telegram) -> Telegram:
    """The telegram with a record for each register that was read, in place of the octets; as it is where none was."""
    if spec.registers is None or telegram.protocol is not Wire.MODBUS:
        return telegram
    found = placed(spec.registers, telegram)
    return replace(telegram, records=tuple(one.record for one in found)) if found else telegram


class _Blocks:
    """The octets that the reads of a telegram brought."""

    def __init__(self, telegram: Telegram) -> None:
        self._blocks = [
            (place, int(match[1]), int(match[2], 16), record.value)
            for place, record in enumerate(telegram.records)
            if isinstance(record.value, bytes) and (match := _READ.fullmatch(record.address))
        ]

    def find(self, function: int, at: int, count: int) -> tuple[int, int, bytes] | None:
        """The record that has these registers, from which of its octets on, and the octets; None where none has."""
        size = _OCTETS * count
        for place, own, address, octets in self._blocks:
            first = _OCTETS * (at - address)
            if own == function and first >= 0 and first + size <= len(octets):
                return place, first, octets[first : first + size]
        return None


def placed(registers: Registers, telegram: Telegram) -> tuple[Placed, ...]:
    """Each register that some read of the telegram has, in the spec's order, of the first read that has it."""
    base = registers.base(telegram.facts)
    blocks, found, counts = _Blocks(telegram), [], dict[str, int]()
    for one in registers.list if base is not None else ():
        where = blocks.find(registers.function_of(one), (base or 0) + one.at, registers.size_of(one))
        if where is None:
            continue
        block, first, octets = where
        tens: bytes | None = b""
        if one.scale_at is not None:
            scale = blocks.find(registers.function_of(one), (base or 0) + one.scale_at, 1)
            tens = scale[2] if scale else None
        index = counts.get(one.name, 0)
        counts[one.name] = index + 1
        found.append(Placed(one, _record(registers, one, octets, tens, index), block, first, octets))
    return tuple(found)


def _record(registers: Registers, register: Register, octets: bytes, tens: bytes | None, index: int) -> Record:
    kind = registers.type_of(register)
    value = number(octets, kind, little=(register.words or registers.words) == "little")
    scale = registers.scale_of(register)
    if value is not None and scale is not None:
        value *= scale
    power = number(tens, "int16") if tens else Decimal(0) if tens == b"" else None
    if value is not None:
        value = value.scaleb(int(power)) if power is not None and abs(power) <= _MAX_POWER else None
    width = -len(octets) if kind.startswith("int") else len(octets) if kind.startswith("uint") else None
    return Record(register.name, value, register.unit, width=width, index=index)
