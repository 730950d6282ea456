"""The `registers` section of a spec: which Modbus registers a product has, and in which reads they are asked for."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from meters.specs.types import Address, Exact, Section, Unit
from meters.wires.modbus.frames import MAX_REGISTERS, Read
from meters.wires.modbus.values import SIZES

MAX_REGISTER: Final = 0xFFFF
Type = Literal["uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
Words = Literal["big", "little"]
Function = Literal[3, 4]


def _address(value: object) -> object:
    """A whole number, also as text: `72`, `0x0048`."""
    if isinstance(value, str):
        try:
            return int(value, 16 if value.lower().startswith("0x") else 10)
        except ValueError as error:
            raise ValueError(f"{value[:20]} is no register; write 72 or '0x0048'") from error
    return value


Number = Annotated[int, BeforeValidator(_address), Field(ge=0, le=MAX_REGISTER)]
"""A register's number in a request, from 0: 30073 and 40073 of manuals are 72 or 0x0048."""


class Register(Section):
    """One number: where it begins, what it is, and how it is written where that differs from the section's own."""

    at: Number
    name: Annotated[Address, Field(alias="is")]
    """The record's address: an OBIS code, or any word that points are made from."""
    unit: Unit | None = None
    type: Type | None = None
    words: Words | None = None
    function: Function | None = None
    scale: Exact | None = None
    scale_at: Number | None = None
    """A register (int16) with the power of ten that the number is to be multiplied by, as SunSpec has them."""


class Registers(Section):
    """What all registers share, the list of them, and how they are read."""

    function: Function = 4
    """3 reads holding registers, 4 input registers."""
    type: Type = "float32"
    words: Words = "big"
    """`little`: the register of least weight comes first."""
    scale: Exact | None = None
    models: Annotated[tuple[int, ...], Field(max_length=8)] = ()
    """SunSpec: the models of which one must be in the unit's chain; registers count from where that one begins."""
    max_count: Annotated[int, Field(ge=1, le=MAX_REGISTERS)] = MAX_REGISTERS
    """The product answers to no longer read."""
    max_gap: Annotated[int, Field(ge=0, le=MAX_REGISTERS)] = 8
    """Registers that nobody wants are read along where they are no more than that; 0 where the product refuses it."""
    list: Annotated[tuple[Register, ...], Field(min_length=1, max_length=256)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for one in self.list:
            if one.at + self.size_of(one) > MAX_REGISTER + 1:
                raise ValueError(f"{one.name}: {one.at} is the last register; the value would end behind it")
            if self.size_of(one) > self.max_count:
                raise ValueError(f"{one.name}: takes more registers than max_count")
        return self

    def type_of(self, register: Register) -> str:
        """How the number is written."""
        return register.type or self.type

    def size_of(self, register: Register) -> int:
        """How many registers it takes."""
        return SIZES[self.type_of(register)]

    def function_of(self, register: Register) -> int:
        """By which function it is read."""
        return register.function or self.function

    def scale_of(self, register: Register) -> Any:
        """The factor, None for one."""
        return self.scale if register.scale is None else register.scale

    def base(self, facts: Mapping[str, str]) -> int | None:
        """Where registers count from: 0, or the model's beginning; None where the unit has none of the models."""
        if not self.models:
            return 0
        model, _, address = facts.get("sunspec", "").partition("@")
        return int(address) if model in map(str, self.models) else None

    def reads(self, facts: Mapping[str, str] | None = None) -> tuple[Read, ...]:
        """The fewest reads that have all registers, within `max_count` and `max_gap`, in the order of their numbers."""
        base = self.base(facts or {})
        return () if base is None else tuple(self._reads(base))

    def _spans(self, base: int) -> Iterator[tuple[int, int, int]]:
        for one in self.list:
            function, at = self.function_of(one), base + one.at
            yield function, at, at + self.size_of(one)
            if one.scale_at is not None:
                yield function, base + one.scale_at, base + one.scale_at + 1

    def _reads(self, base: int) -> Iterator[Read]:
        spans = sorted(self._spans(base))
        function, start, end = spans[0]
        for other, first, last in spans[1:]:
            longer = max(end, last)
            if other == function and first - end <= self.max_gap and longer - start <= self.max_count:
                end = longer
                continue
            yield Read(function, start, end - start)
            function, start, end = other, first, last
        yield Read(function, start, end - start)
