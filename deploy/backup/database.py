"""A database's dump and its restore by PostgreSQL's own programs, as TimescaleDB wants them called."""

import os
import pwd
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import IO, BinaryIO, Final, cast
from urllib.parse import quote, unquote, urlsplit

from broker.errors import PermanentError
from deploy.backup.archive import DatabaseFacts
from deploy.backup.stillness import Say, Stillness
from store.dsn import check_dsn
from store.migrate import ROLES

MAINTENANCE: Final = "postgres"
_ROLE_LINE: Final = re.compile(rf"(CREATE|ALTER) ROLE ({'|'.join(ROLES)})( WITH [^;]*)?;")
_VERSION: Final = "SELECT current_setting('server_version_num')"
_WORKING: Final = """
SELECT left(query, 60) FROM pg_stat_activity
WHERE application_name = :'name' AND state = 'active' AND coalesce(wait_event_type, '') NOT IN ('Lock', 'Client')
"""
ANSWER_S: Final = 30.0
"""So long a server may take to say what it does."""
_PIECE: Final = 64 * 1024
_QUIET: Final = ("-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1")


class DatabaseError(PermanentError):
    """What a program of PostgreSQL's refused; its last words."""


@dataclass(frozen=True)
class DatabaseAccess:
    """A database as its server's owner reaches it."""

    dsn: str
    account: str | None
    """Whom PostgreSQL's programs run as, where root runs this; None for this process's own account."""
    say: Say = field(default=lambda _: None, compare=False)
    """Who hears what the server is at when nothing else moves."""

    @classmethod
    def of(cls, dsn: str, account: str, say: Say) -> "DatabaseAccess":
        """By `account` where root names a database of this machine and no user. Raises PermanentError."""
        check_dsn(dsn)
        parts = urlsplit(dsn)
        another = os.geteuid() == 0 and not parts.username and not os.environ.get("PGUSER")
        if another:
            try:
                pwd.getpwnam(account)
            except KeyError as error:
                raise PermanentError(
                    f"there is no account {account}: name one with --account, or a user in --dsn"
                ) from error
        return cls(dsn, account if another else None, say)

    @property
    def name(self) -> str:
        """The database's."""
        return unquote(urlsplit(self.dsn).path.strip("/"))

    def facts(self) -> DatabaseFacts:
        """What it is. Raises DatabaseError where it is not there, or is no database of Wattline's."""
        timescaledb = self.ask("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
        if not timescaledb:
            raise DatabaseError(f"the database {self.name} has no TimescaleDB: is it Wattline's?")
        size = int(self.ask("SELECT pg_database_size(current_database())"))
        return DatabaseFacts(name=self.name, postgres=self.ask(_VERSION), timescaledb=timescaledb, size=size)

    def roles(self) -> str:
        """Statements that make our roles with their passwords."""
        said = self._run(["pg_dumpall", "--roles-only", self._at(MAINTENANCE)]).decode()
        lines = [line for line in said.splitlines() if _ROLE_LINE.fullmatch(line)]
        return "\n".join([*lines, ""])

    @contextmanager
    def dumped(self) -> Iterator[BinaryIO]:
        """The dump as it is made, a consistent snapshot. Raises DatabaseError if it fails in between."""
        words = ["pg_dump", "--format=custom", "--lock-wait-timeout=60s", self._at(self.name)]
        with self._program(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as (process, stillness):
            assert process.stdout is not None  # noqa: S101 - for mypy
            with process.stdout:
                yield cast("BinaryIO", _Moving(process.stdout, stillness))

    def there(self) -> bool:
        """Whether there is such a database."""
        return self.ask("SELECT 1 FROM pg_database WHERE datname = :'name'", MAINTENANCE, name=self.name) == "1"

    def check_able(self, facts: DatabaseFacts) -> None:
        """See that this server can take that dump. Raises DatabaseError, which says what to install."""
        if int(self.ask(_VERSION, MAINTENANCE)) // 10_000 < int(facts.postgres) // 10_000:
            raise DatabaseError(f"the backup is of PostgreSQL {int(facts.postgres) // 10_000}, this server is older")
        query = "SELECT 1 FROM pg_available_extension_versions WHERE name = 'timescaledb' AND version = :'version'"
        if not self.ask(query, MAINTENANCE, version=facts.timescaledb):
            raise DatabaseError(
                f"this server has no TimescaleDB {facts.timescaledb}, of which the backup is: install that version, "
                "and update it after the restore"
            )

    def make(self, facts: DatabaseFacts, roles: str, undo: ExitStack) -> None:
        """Make the roles that are not there, and an empty database that waits for its dump. Raises DatabaseError.

        What is made is put into `undo`. Roles that are there stay as they are, until `give_roles`.
        """
        present = self.ask("SELECT rolname FROM pg_roles", MAINTENANCE).split()
        for line in _role_lines(roles):
            if line[1] == "CREATE" and line[2] not in present:
                self._psql(line[0], MAINTENANCE)
                undo.callback(self._psql, f"DROP ROLE {line[2]}", MAINTENANCE)
        self.ask("CREATE DATABASE :\"name\" TEMPLATE template0 ENCODING 'UTF8'", MAINTENANCE, name=self.name)
        undo.callback(self.drop)
        self.ask("CREATE EXTENSION timescaledb VERSION :'version'", version=facts.timescaledb)
        self.ask("SELECT timescaledb_pre_restore()")

    def give_roles(self, roles: str) -> None:
        """Give roles their rights and passwords of the backup: all of them, or none. Raises DatabaseError."""
        self._psql("\n".join(line[0] for line in _role_lines(roles) if line[1] == "ALTER"), MAINTENANCE, "-1")

    @contextmanager
    def restoring(self) -> Iterator[BinaryIO]:
        """Where the dump's bytes go; then TimescaleDB works again and the planner knows the tables."""
        words = ["pg_restore", "--exit-on-error", self._at(self.name)]
        with self._program(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as (process, stillness):
            assert process.stdin is not None  # noqa: S101 - for mypy
            # why it ended is said when it has
            with suppress(BrokenPipeError), process.stdin:
                yield cast("BinaryIO", _Moving(process.stdin, stillness))
        self.ask("SELECT timescaledb_post_restore()")
        self.ask("ANALYZE")

    def drop(self) -> None:
        """Take away what a restore that failed has made."""
        self.ask('DROP DATABASE IF EXISTS :"name" WITH (FORCE)', MAINTENANCE, name=self.name)

    def ask(self, statement: str, database: str | None = None, **values: str) -> str:
        """What a statement gives; psql puts `values` where it says :'name' or :"name". Raises DatabaseError."""
        given = [word for name, value in values.items() for word in ("-v", f"{name}={value}")]
        return self._psql(statement, database or self.name, *given)

    def _psql(self, statements: str, database: str, *options: str) -> str:
        words = ["psql", *_QUIET, *options, self._at(database)]
        return self._run(words, statements.encode()).decode().strip()

    def _at(self, database: str) -> str:
        """How a program is told the address: without the password, which all could read there."""
        parts = urlsplit(self.dsn)
        user, _, host = parts.netloc.rpartition("@")
        login = f"{user.partition(':')[0]}@" if user else ""
        # urlunsplit would leave `//` out where no host is named, and PostgreSQL take all of it for a database's name
        asked = f"?{parts.query}" if parts.query else ""
        return f"--dbname={parts.scheme}://{login}{host}/{quote(database, safe='')}{asked}"

    def _run(self, words: list[str], given: bytes = b"") -> bytes:
        with self._program(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as (process, _):
            said, _ = process.communicate(given)
        return said

    @contextmanager
    def _program(self, words: list[str], **streams: int) -> "Iterator[tuple[subprocess.Popen[bytes], Stillness]]":
        """One of PostgreSQL's programs until its end, which a fault of ours hastens. Raises DatabaseError."""
        if not shutil.which(words[0]):
            raise DatabaseError(f"{words[0]} is not on this machine: install Debian's postgresql-client-17")
        name = f"wattline {words[0]} {secrets.token_hex(4)}"
        with tempfile.TemporaryFile() as wrong:
            process = subprocess.Popen(
                self._as_account(words), env=self._environment(name), cwd="/", stderr=wrong, start_new_session=True,
                **streams,
            )  # type: ignore[call-overload]  # fmt: skip
            with Stillness(process, words[0], partial(self._working, name), self.say) as stillness:
                yield process, stillness
            if process.returncode:
                raise DatabaseError(f"{words[0]}: {stillness.ended or _last_words(wrong)}")

    def _working(self, name: str) -> str:
        """What the server does for a program; empty where it waits for somebody, or does not answer."""
        words = ["psql", *_QUIET, "-v", f"name={name}", self._at(MAINTENANCE)]
        try:
            found = subprocess.run(
                self._as_account(words), env=self._environment("wattline looks") | {"PGCONNECT_TIMEOUT": "10"}, cwd="/",
                input=_WORKING.encode(), capture_output=True, check=False, timeout=ANSWER_S,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return " ".join(found.stdout.decode(errors="replace").split())

    def _as_account(self, words: list[str]) -> list[str]:
        return words if self.account is None else ["runuser", "-u", self.account, "--", *words]

    def _environment(self, name: str) -> dict[str, str]:
        password = urlsplit(self.dsn).password
        return os.environ | {"PGAPPNAME": name} | ({"PGPASSWORD": unquote(password)} if password else {})


class _Moving:
    """A program's stream, of which it is noted that something moves."""

    def __init__(self, stream: IO[bytes], stillness: Stillness) -> None:
        self._stream = stream
        self._stillness = stillness

    def read(self, size: int = -1) -> bytes:
        """Up to so many bytes."""
        piece = self._stream.read(size)
        self._stillness.moved()
        return piece

    def write(self, data: bytes) -> int:
        """Give all of it, a piece at a time: of a large one, too, it is seen that it moves."""
        for at in range(0, len(data), _PIECE):
            self._stream.write(data[at : at + _PIECE])
            self._stillness.moved()
        return len(data)


def _role_lines(roles: str) -> list[re.Match[str]]:
    return [found for line in roles.splitlines() if (found := _ROLE_LINE.fullmatch(line))]


def _last_words(wrong: IO[bytes]) -> str:
    wrong.seek(0)
    lines = wrong.read().decode(errors="replace").strip().splitlines()
    return " / ".join(lines[-3:]) or "it failed without a word"
