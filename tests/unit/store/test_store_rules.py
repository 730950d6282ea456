"""Migration order, checksums, and which database errors can heal."""

import re

import asyncpg
import pytest

from store.migrate import ROLES, Migration, MigrationError, pending, shipped
from store.pool import is_transient
from store.queries import load

FIRST, SECOND, THIRD = (Migration(f"000{number}_x", f"SELECT {number}") for number in (1, 2, 3))


def test_no_number_of_a_migration_stands_twice() -> None:
    """Each file has a number of its own, so that two branches can't both add the same one unseen."""
    numbers = [migration.name[:4] for migration in shipped()]
    assert len(set(numbers)) == len(numbers)


def test_only_what_is_new_is_pending() -> None:
    """What is applied is left out, the rest keeps its order."""
    assert pending((FIRST, SECOND, THIRD), {FIRST.name: FIRST.sha256}) == (SECOND, THIRD)
    assert pending((FIRST,), {FIRST.name: FIRST.sha256}) == ()


@pytest.mark.parametrize(
    ("applied", "text"),
    [
        ({FIRST.name: "another"}, "was edited"),
        ({"0009_newer": "any"}, "install the newer Wattline"),
        ({FIRST.name: FIRST.sha256, THIRD.name: THIRD.sha256}, "give it a higher number"),
    ],
)
def test_histories_that_do_not_fit_are_refused(applied: dict[str, str], text: str) -> None:
    """An edited file, a newer database and a file squeezed in between are refused by name."""
    with pytest.raises(MigrationError, match=text):
        pending((FIRST, SECOND, THIRD), applied)


def test_every_role_is_granted_something() -> None:
    """A role that migrations make appears in the grants."""
    grants = next(migration.sql for migration in shipped() if migration.name == "0005_grants")
    assert all(re.search(rf"GRANT[^;]*TO[^;]*{role}", grants) for role in ROLES)


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (asyncpg.ConnectionDoesNotExistError("gone"), True),
        (asyncpg.DeadlockDetectedError("x"), True),
        (asyncpg.AdminShutdownError("x"), True),
        (asyncpg.CannotConnectNowError("x"), True),
        (asyncpg.TooManyConnectionsError("x"), True),
        (asyncpg.InterfaceError("connection is closed"), True),
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (asyncpg.UniqueViolationError("x"), False),
        (asyncpg.QueryCanceledError("x"), False),
        (asyncpg.UndefinedTableError("x"), False),
        (ValueError("x"), False),
    ],
)
def test_what_can_heal(error: Exception, transient: bool) -> None:
    """Lost connections, deadlocks and servers that stop are worth another try; wrong statements are not."""
    assert is_transient(error) is transient


def test_queries_are_found_by_name() -> None:
    """A query is a file; a wrong name is an error and not an empty statement."""
    assert "ON CONFLICT DO NOTHING" in load("take_staged_readings")
    with pytest.raises(FileNotFoundError):
        load("nothing")
