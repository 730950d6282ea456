"""Sparkplug's payload as typed values (Sparkplug 3.0, 6.4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Self

from broker.errors import ContractError
from broker.sparkplug.datatypes import Array, DataType, Scalar, meant


@dataclass(frozen=True, slots=True)
class DataSet:
    """A table: names and data types of its columns, and rows, in which None stands for what is missing."""

    columns: tuple[str, ...]
    types: tuple[DataType, ...]
    rows: tuple[tuple[Scalar | Array | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A type that a sender made, or a value of one: its members are metrics."""

    metrics: tuple["Metric", ...]
    ref: str | None = None
    version: str | None = None
    is_definition: bool = False


Value = Scalar | Array | DataSet | Template


@dataclass(frozen=True, slots=True)
class Metric:
    """One value. Without a data type `value` is as it travelled: `typed()` says what it means by its birth's.

    `timestamp_ms` is Unix time in UTC. `value` is None for a null. In births `name` stands, and `alias` beside it; in
    data of one that has an alias the alias alone.
    """

    name: str | None = None
    alias: int | None = None
    timestamp_ms: int | None = None
    datatype: DataType | None = None
    value: Value | None = None
    is_historical: bool = False
    is_transient: bool = False
    is_null: bool = False
    properties: Mapping[str, Scalar | None] = field(default_factory=lambda: MappingProxyType({}))

    def typed(self, datatype: DataType, name: str | None = None) -> Self:
        """The same by the data type, and under the name, that its birth gave. Raises ContractError for a misfit."""
        known = self.name if name is None else name
        if self.datatype is not None and self.datatype is not datatype:
            raise ContractError(f"is {self.datatype.name}, and was born as {datatype.name}", field=known or "metric")
        value = self.value
        if self.datatype is None and isinstance(value, bool | int | float | str | bytes):
            value = meant(value, datatype, known or "")
        return replace(self, name=known, datatype=datatype, value=value)


@dataclass(frozen=True, slots=True)
class Payload:
    """A message: when it was sent (Unix ms, UTC), its number (0 to 255, none in NDEATH and commands), its metrics."""

    metrics: tuple[Metric, ...] = ()
    timestamp_ms: int | None = None
    seq: int | None = None

    def metric(self, name: str) -> Metric | None:
        """The first metric of a name."""
        return next((one for one in self.metrics if one.name == name), None)
