"""Migration order, checksums, and which database errors can heal."""

import ast
import re
from pathlib import Path

import asyncpg
import pytest

from store.errors import is_transient
from store.migrate import ROLES, Migration, MigrationError, due, pending, shipped
from store.sql import Database, statement

ROOT = Path(__file__).parents[3]
DECLARES = {"statement", "slow_statement"}
NEWEST_WITH_FUNCTIONS = "0033"
"""Migrations below it have landed with functions and views in them."""
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


AFTER = Migration("0002_after_all", "SELECT 2")
"""What must wait until every service is of its version."""


@pytest.mark.parametrize(
    ("applied", "finish", "names"),
    [
        ((), False, ["0001_x", "0002_after_all", "0003_x"]),
        ((FIRST,), False, ["0003_x"]),
        ((FIRST,), True, ["0002_after_all", "0003_x"]),
        ((FIRST, THIRD), False, []),
        ((FIRST, THIRD), True, ["0002_after_all"]),
    ],
)
def test_what_takes_away_waits_until_all_services_are_new(
    applied: tuple[Migration, ...], names: list[str], *, finish: bool
) -> None:
    """In an empty database there is nobody to wait for; in another it comes with `finish`, be it after later ones."""
    known = {migration.name: migration.sha256 for migration in applied}
    found = due(pending((FIRST, AFTER, THIRD), known), known, finish=finish)
    assert [migration.name for migration in found] == names


def test_functions_and_views_stand_in_store_functions() -> None:
    """No migration from here on makes one: a change of one is a diff of its file, applied by checksum."""
    made = re.compile(r"^CREATE (OR REPLACE )?(FUNCTION|VIEW)", re.MULTILINE)
    assert [m.name for m in shipped() if m.name > NEWEST_WITH_FUNCTIONS and made.search(m.sql)] == []


def test_every_role_is_granted_something() -> None:
    """A role that migrations make appears in grants."""
    grants = "".join(migration.sql for migration in shipped())
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


def test_a_statement_has_a_file() -> None:
    """A wrong name is an error as the module is loaded, and not an empty statement."""

    async def nothing(database: Database) -> None:
        """Do nothing."""

    nothing.__module__ = "store.rollups"
    with pytest.raises(FileNotFoundError, match=r"store\.rollups declares the statement nothing"):
        statement(nothing)


def declaring(source: str) -> bool:
    """Whether a module takes what declares statements."""
    wanted = {"store.sql": DECLARES, "store": {"sql"}}
    # most name neither, and need not be parsed
    return "from store" in source and any(
        isinstance(node, ast.ImportFrom) and wanted.get(node.module or "", set()) & {one.name for one in node.names}
        for node in ast.walk(ast.parse(source))
    )


def test_statements_are_declared_in_stores_only() -> None:
    """SQL is run from modules named store, or from within the store; the rest of a room knows functions."""
    found = [
        str(path.relative_to(ROOT))
        for room in (
            "broker",
            "meters",
            "store",
            "device",
            "ingestor",
            "intake",
            "gateway",
            "outlet",
            "cli",
            "grafana",
            "deploy",
        )
        for path in (ROOT / room).rglob("*.py")
        if "store" not in {path.stem, *path.relative_to(ROOT).parts[:-1]} and declaring(path.read_text("utf-8"))
    ]
    assert not found


def test_a_declaration_elsewhere_is_found() -> None:
    """By its name, or by its module's; whoever takes the types only declares nothing."""
    assert declaring("from store.sql import Database, statement")
    assert declaring("from store import sql")
    assert not declaring("from store.sql import Connection, Database\nfrom store import probe")


def test_no_row_is_read_by_the_name_of_a_column() -> None:
    """Mypy sees the fields of what a statement gives, and no string in brackets."""
    rooms = [path for room in ("ingestor", "intake", "gateway") for path in (ROOT / room).rglob("*.py")]
    assert [str(path) for path in rooms if 'row["' in path.read_text("utf-8")] == []


CLEAN = ("gateway", "intake/hooks", "intake/inbox", "intake/notices", "store/queries")
"""What uses the connections of `clean` pools."""
LEFT_IN_A_SESSION = re.compile(
    r"pg_(?:try_)?advisory_(?:lock|unlock)|\bTEMP(?:ORARY)? |\bWITH HOLD\b|\bSET SESSION\b|set_config\([^)]*false\)"
    r"|^\s*(?:execute\()?[\"']SET (?!LOCAL )|set_type_codec|\bLISTEN [a-z]|\bDISCARD\b",
    re.MULTILINE,
)


def test_a_clean_pool_s_users_leave_nothing_in_a_session() -> None:
    """Locks of theirs are a transaction's; whose are not has a pool that has sessions forget after each use."""
    files = [path for room in CLEAN for path in (ROOT / room).rglob("*") if path.suffix in {".py", ".sql"}]
    assert len(files) > 100
    found = {str(path.relative_to(ROOT)): LEFT_IN_A_SESSION.findall(path.read_text()) for path in files}
    assert not {path: texts for path, texts in found.items() if texts}
    of_a_worker = ROOT / "ingestor" / "worker" / "mappings" / "queries" / "try_lock_source.sql"
    assert LEFT_IN_A_SESSION.search(of_a_worker.read_text())
