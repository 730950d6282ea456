"""Every file of SQL is declared once, and its columns and parameters are those that its function says."""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, NamedTuple, NewType, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import asyncpg
import pytest
from pydantic import AwareDatetime, BaseModel, Json, ValidationError

import gateway
import ingestor
import intake
import store
from store.edition import timescaledb_license
from store.sql import STATEMENTS, Affected, NoRowError, Statement, has_names, is_json
from tests.rigs.gateway import connection
from tests.rigs.servers import Database

ROOT: Final = Path(__file__).parents[2]
ELSEWHERE: Final[Mapping[str, set[str]]] = {
    "apache": {"rollup_due"},
    "timescale": {"rollup_note", "rollup_step", "rollup_again", "late_mark"},
}
"""Statements by the edition that lacks what they use."""
KINDS: Final[Mapping[str, set[Any]]] = {
    "bool": {bool}, "int2": {int}, "int4": {int}, "int8": {int}, "oid": {int}, "float4": {float}, "float8": {float},
    "numeric": {Decimal}, "text": {str}, "varchar": {str}, "name": {str}, "bytea": {bytes}, "uuid": {UUID},
    "timestamptz": {datetime}, "date": {date}, "interval": {timedelta}, "inet": {IPv4Address, IPv6Address},
    "void": {NoneType},
}  # fmt: skip


def statements() -> list[Statement]:
    """All that any module of the services declares."""
    for package in (gateway, ingestor, intake, store):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    return STATEMENTS


def sources() -> list[str]:
    """The text of all modules of the services."""
    return [
        file.read_text()
        for package in ("gateway", "ingestor", "intake", "store")
        for file in (ROOT / package).rglob("*.py")
    ]


def faults(kind: Any, column: str, where: str) -> list[str]:
    """What is wrong with a Python type for a type of PostgreSQL; arrays end with []."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType} and NoneType in arguments:
        return [fault for one in arguments if one is not NoneType for fault in faults(one, column, where)]
    if is_json(kind):
        fits = column in {"json", "jsonb"}
    elif column.endswith("[]"):
        if isinstance(origin, type) and issubclass(origin, Sequence | AbstractSet):
            return faults(arguments[0], column.removesuffix("[]"), where)
        fits = False
    else:
        fits = plain(kind) <= KINDS.get(column, set())
    return [] if fits else [f"{where} is {kind}, and {column} in the database"]


def names_of(row: Any) -> list[str]:
    """The fields of a type of rows, in their order."""
    if issubclass(row, tuple):
        return list(row._fields)
    return list(row.model_fields) if issubclass(row, BaseModel) else [one.name for one in fields(row) if one.init]


def plain(kind: Any) -> set[Any]:
    """The types that a value of a type can have, None apart."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return {type(one) for one in arguments}
    if origin in {Union, UnionType}:
        return {found for one in arguments if one is not NoneType for found in plain(one)}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {type(one.value) for one in kind}
    inner = arguments[0] if origin is Annotated else kind.__supertype__ if isinstance(kind, NewType) else None
    return plain(inner) if inner else {datetime if kind is AwareDatetime else kind}


def compared(said: Statement, columns: Sequence[asyncpg.Attribute], parameters: Sequence[asyncpg.Type]) -> list[str]:
    """What a statement and its function say differently."""
    where = f"{said.package}/queries/{said.name}.sql"
    if len(parameters) != len(said.parameters):
        return [f"{where} takes {len(parameters)} parameters, its function {len(said.parameters)}"]
    found = [
        fault
        for place, (kind, there) in enumerate(zip(said.parameters, parameters, strict=True), 1)
        for fault in faults(kind, there.name, f"{where}: ${place}")
    ]
    if said.row is NoneType:
        return found
    if not has_names(said.row):
        if len(columns) != 1:
            return [*found, f"{where} gives {len(columns)} columns, its function one"]
        return found + faults(said.row, columns[0].type.name, f"{where}: its column")
    hints = get_type_hints(said.row, include_extras=True)
    wanted, there = names_of(said.row), [one.name for one in columns]
    if set(wanted) != set(there) or (issubclass(said.row, tuple) and wanted != there):
        return [*found, f"{where}: gives {there}, {said.row} has {wanted}"]
    return found + [
        fault for one in columns for fault in faults(hints[one.name], one.type.name, f"{where}: {one.name}")
    ]


async def test_statements_are_what_their_functions_say(each_edition: Database) -> None:
    """Names and types of columns, number and types of parameters, prepared by a real database."""
    found = []
    async with connection(each_edition) as opened:
        edition = await timescaledb_license(opened)
        here = [one for one in statements() if one.name not in ELSEWHERE[edition]]
        for one in here:
            if one.text.startswith("CREATE TEMPORARY TABLE"):
                await one.run(opened)
        for one in here:
            prepared = await opened.prepare(one.text)
            found += compared(one, prepared.get_attributes(), prepared.get_parameters())
    assert not found, "\n".join(found)


def test_every_file_is_declared_once() -> None:
    """SQL that nothing runs is dead; SQL that two functions run has two truths. Declared in store modules only."""
    declared = [(one.package.replace(".", "/"), one.name) for one in statements()]
    assert len(set(declared)) == len(declared)
    files = {
        (str(file.parents[1].relative_to(ROOT)), file.stem)
        for package in ("gateway", "ingestor", "intake", "store")
        for file in (ROOT / package).rglob("queries/*.sql")
    }
    texts = sources()
    loaded = {(room, name) for room, name in files if any(f'{name}"' in text for text in texts)}
    assert files == set(declared) | loaded


def test_a_difference_is_found() -> None:
    """A number that is a text, a list that is none, an array of other things."""
    assert faults(str, "int8", "x")
    assert faults(int | None, "int8", "x") == []
    assert faults(list[int], "int8", "x")
    assert faults(tuple[str, ...], "int8[]", "x")
    assert faults(list[int], "int8[]", "x") == []
    assert faults(dict[str, str], "jsonb", "x")
    assert faults(Affected, "int8", "x") == []


@dataclass(frozen=True, slots=True)
class Pair:
    """A row."""

    number: int
    words: Json[list[str]]


class Plain(NamedTuple):
    """A row of many."""

    number: int
    word: str


def made(text: str, returns: Any, *parameters: Any, many: bool = False) -> Statement:
    """A statement without a file."""
    return Statement("tests", "made", text, parameters, many, returns)


async def test_rows_are_what_was_said(database: Database) -> None:
    """All rows, the first or none, one that must be there, how many were written; JSON goes in and out as it is."""
    pairs = made(
        "SELECT n AS number, $2::jsonb AS words FROM generate_series(1, $1) n", list[Pair], int, Json[list[str]]
    )
    first = made("SELECT n AS number FROM generate_series(1, $1) n", int | None, int)
    one = made("SELECT n AS number FROM generate_series(1, $1) n", int, int)
    null = made("SELECT NULL::int AS number, '[]'::jsonb AS words", Pair)
    many = made("SELECT n AS number, 'x' AS word FROM generate_series(1, $1) n", list[Plain], int)
    async with connection(database) as opened:
        assert await pairs.run(opened, 2, ["a"]) == [Pair(1, ["a"]), Pair(2, ["a"])]
        assert (await first.run(opened, 0), await first.run(opened, 3)) == (None, 1)
        found = await many.run(opened, 2)
        assert ([Plain(*row) for row in found], found[1].number, dict(found)) == (
            [Plain(1, "x"), Plain(2, "x")], 2, {1: "x", 2: "x"},
        )  # fmt: skip
        with pytest.raises(NoRowError, match=r"tests/queries/made\.sql gave no row"):
            await one.run(opened, 0)
        with pytest.raises(ValidationError, match="number"):
            await null.run(opened)
        await opened.execute("CREATE TEMP TABLE kept (n int, words jsonb)")
        add = made("INSERT INTO kept VALUES ($1, $2)", NoneType, int, Json[list[str]] | None, many=True)
        await add.run(opened, [(1, ["x"]), (2, None)])
        assert await made("DELETE FROM kept WHERE words IS NULL OR n = $1", Affected, int).run(opened, 1) == 2
        slow = Statement("tests", "slow", "SELECT pg_sleep($1)", (float,), False, NoneType, 0.1)
        with pytest.raises(TimeoutError):
            await slow.run(opened, 60.0)
        async with opened.transaction():
            assert [row.number async for row in pairs.stream(opened, 3, [])] == [1, 2, 3]
