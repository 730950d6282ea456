"""The SQL that lives in files, one statement a file, and the typed functions by which it is run.

A function under `@statement` says all that Python knows of a statement: it reads `queries/NAME.sql` beside its own
module, where NAME is its own name. Its parameters after the first are those of the SQL, in their order; what it
returns says what comes of it:

- `list[Row]`: all rows; `Row | None`: the first, None where there is none; `Row`: the one that there must be;
- `AsyncIterator[Row]`: all rows, read as they are wanted, inside a transaction;
- `Affected`: how many rows it wrote; `None`: nothing.

A Row is a dataclass or a pydantic model whose fields are the statement's columns by name, or, where there is one
column, the type of that. For thousands of rows it is a NamedTuple, whose fields are the columns in their order: then it
is the record that came, unchecked, to be unpacked or read by its fields' names. jsonb is `Json[...]` both ways.
tests/integration/test_statements.py prepares every statement and compares.
"""

import inspect
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, is_dataclass, replace
from functools import cached_property, partial, wraps
from importlib import resources
from operator import itemgetter
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    NewType,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)  # fmt: skip

import asyncpg
from pydantic import BaseModel, Json, TypeAdapter

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
"""A connection, borrowed from a pool or one's own."""


class Reader(Protocol):
    """What rows can be read from."""

    async def fetch(self, query: str, /, *arguments: Any, **options: Any) -> "list[asyncpg.Record]":
        """The rows of a query."""

    async def fetchrow(self, query: str, /, *arguments: Any, **options: Any) -> "asyncpg.Record | None":
        """The first row of a query."""


Database: TypeAlias = "asyncpg.Pool[asyncpg.Record] | Connection"
"""What a statement can be run on: a pool lends a connection for it."""
Affected = NewType("Affected", int)
"""How many rows a statement inserted, updated or deleted."""
P = ParamSpec("P")
R = TypeVar("R")
STATEMENTS: "Final[list[Statement]]" = []
"""All that modules which are loaded have declared."""


class NoRowError(LookupError):
    """A statement that must give a row gave none."""


def declared(function: Callable[..., Any]) -> "Statement":
    """What a function under @statement runs."""
    found: Statement = function.statement  # type: ignore[attr-defined]
    return found


@dataclass(frozen=True)
class Statement:
    """One file of SQL, with what goes in and what comes out."""

    package: str
    name: str
    text: str
    parameters: tuple[Any, ...]
    """Types of the SQL's parameters, in their order."""
    many: bool
    """Whether it runs once for each of a list of parameters."""
    returns: Any
    """What its function is said to return."""
    timeout_s: float | None = None
    """How long it may take; None for as long as all may on its connection."""

    @cached_property
    def row(self) -> Any:
        """The type of its rows; NoneType where it gives none."""
        origin, arguments = get_origin(self.returns), get_args(self.returns)
        if origin in {list, AsyncIterator}:
            return arguments[0]
        if self.first:
            rest = tuple(one for one in arguments if one is not NoneType)
            return rest[0] if len(rest) == 1 else Union[rest]  # noqa: UP007 - of a tuple
        return NoneType if self.returns is Affected else self.returns

    @property
    def first(self) -> bool:
        """Whether it gives a row or None."""
        return get_origin(self.returns) in {Union, UnionType} and NoneType in get_args(self.returns)

    @cached_property
    def _options(self) -> dict[str, Any]:
        """How asyncpg is to run it.

        Records of a NamedTuple have their columns as attributes: to make another object of each would cost a third of
        reading them.
        """
        options: dict[str, Any] = {} if self.timeout_s is None else {"timeout": self.timeout_s}
        if is_tuple(self.row):
            columns = {name: property(itemgetter(place)) for place, name in enumerate(self.row._fields)}
            options["record_class"] = type(self.row.__name__, (asyncpg.Record,), {"__slots__": (), **columns})
        return options

    @cached_property
    def _read(self) -> Callable[[asyncpg.Record], Any]:
        if is_tuple(self.row):
            return lambda record: record
        read = partial(TypeAdapter(self.row).validate_python, extra="ignore")  # of a newer Wattline
        if has_names(self.row):
            return lambda record: read(dict(record))
        return lambda record: read(record[0])

    @cached_property
    def _as_json(self) -> tuple[int, ...]:
        return tuple(place for place, kind in enumerate(self.parameters) if is_json(kind))

    def _given(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        if not self._as_json:
            return arguments
        given = list(arguments)
        for place in self._as_json:
            given[place] = None if given[place] is None else json.dumps(given[place])
        return tuple(given)

    async def run(self, database: Any, *arguments: Any) -> Any:
        """Run it; returns what its function is said to. Raises NoRowError where the row that must be there is not."""
        if self.many:
            await database.executemany(self.text, [self._given(tuple(one)) for one in arguments[0]], **self._options)
            return None
        given = self._given(arguments)
        if get_origin(self.returns) is list:
            records = await database.fetch(self.text, *given, **self._options)
            return records if is_tuple(self.row) else [self._read(record) for record in records]
        if self.row is NoneType:
            status = await database.execute(self.text, *given, **self._options)
            return Affected(int(status.rpartition(" ")[2])) if self.returns is Affected else None
        record = await database.fetchrow(self.text, *given, **self._options)
        if record is not None:
            return None if self.first and not has_names(self.row) and record[0] is None else self._read(record)
        if not self.first:
            raise NoRowError(f"{self.package}/queries/{self.name}.sql gave no row")
        return None

    def instead(self, old: str, new: str) -> "Statement":
        """The same of another table, such as a roll-up of another step, whose columns are the same."""
        return replace(self, text=self.text.replace(old, new))

    async def stream(self, connection: Connection, *arguments: Any) -> AsyncIterator[Any]:
        """Its rows as they come, some hundreds at a time; the caller holds a transaction open."""
        async for record in connection.cursor(self.text, *self._given(arguments), prefetch=1000, **self._options):
            yield self._read(record)


def has_names(kind: Any) -> bool:
    """Whether a type of rows has a field for each column, or is that of the one column."""
    return is_dataclass(kind) or is_tuple(kind) or (isinstance(kind, type) and issubclass(kind, BaseModel))


def is_tuple(kind: Any) -> bool:
    """Whether a type is a NamedTuple."""
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")


def is_json(kind: Any) -> bool:
    """Whether a type is Json[...], or that or None."""
    if get_origin(kind) is Annotated:
        return any(isinstance(one, cast("type", Json)) for one in get_args(kind)[1:])
    return any(is_json(one) for one in get_args(kind)) if get_origin(kind) in {Union, UnionType} else False


def statement(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function without a body run the SQL of its name; see the module.

    Where its one parameter after the database is called `rows`, a list of tuples, it runs once for each of them.
    Raises FileNotFoundError where there is no such file.
    """
    return _declare(function, None)


def slow_statement(timeout_s: float) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The same for one that may take so long, whatever limit its connection has."""
    return lambda function: _declare(function, timeout_s)


def _declare(function: Callable[P, R], timeout_s: float | None) -> Callable[P, R]:
    package, text = _find(function.__module__, function.__name__)
    signature = inspect.signature(function)
    given = list(signature.parameters.values())[1:]
    many = [one.name for one in given] == ["rows"]
    parameters = get_args(get_args(given[0].annotation)[0]) if many else tuple(one.annotation for one in given)
    returns = signature.return_annotation or NoneType
    made = Statement(package, function.__name__, text, parameters, many, returns, timeout_s)
    STATEMENTS.append(made)
    count = len(signature.parameters)

    def ordered(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
        if len(args) == count:
            return args
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return tuple(bound.arguments.values())

    if get_origin(made.returns) is AsyncIterator:

        @wraps(function)
        def streamed(*args: P.args, **kwargs: P.kwargs) -> Any:
            return made.stream(*ordered(args, kwargs))

        streamed.statement = made  # type: ignore[attr-defined]
        return cast("Callable[P, R]", streamed)

    @wraps(function)
    async def ran(*args: P.args, **kwargs: P.kwargs) -> Any:
        return await made.run(*ordered(args, kwargs))

    ran.statement = made  # type: ignore[attr-defined]
    return cast("Callable[P, R]", ran)


def _find(module: str, name: str) -> tuple[str, str]:
    """The package whose `queries/` has the file, from the module's own upwards, and its text."""
    package = module.rpartition(".")[0]
    while package:
        file = resources.files(package) / "queries" / f"{name}.sql"
        if file.is_file():
            return package, file.read_text("utf-8")
        package = package.rpartition(".")[0]
    raise FileNotFoundError(f"{module} declares the statement {name}, and no queries/{name}.sql stands beside it")
