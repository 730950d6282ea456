"""Addresses of databases: what is refused before anything is opened, and what is not."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner

from broker.errors import PermanentError
from store.cli import migrate
from store.dsn import check_dsn, place, user
from store.pool import open_pool

ROOT = Path(__file__).parents[3]
WRONG = [
    ("postgresql://postgres@127.0.0.1:99999/x", "port 99999"),
    ("postgresql://postgres@127.0.0.1:0/x", "port 0"),
    ("postgresql://postgres@127.0.0.1:abc/x", "port abc"),
    ("postgresql://a:5432,b:70000/x", "port 70000"),
    ("postgresql:///x?host=/run&port=70000", "port 70000"),
    ("postgresql://[::1]:99999/x", "port 99999"),
    ("postgresql://[::1/x", "IPv6"),
    ("nonsense", "postgresql://"),
    ("postgresql:x", "postgresql://"),
    ("mysql://host/x", "postgresql://"),
    ("postgresql://host", "no database"),
    ("postgresql://host/", "no database"),
    ("postgresql://u:se#cret@host:5432/x", "%23"),
]


@pytest.mark.parametrize(("dsn", "text"), WRONG)
async def test_a_wrong_dsn_is_refused_at_once(dsn: str, text: str) -> None:
    """The pool does not wait for a database that can't be; the message has the fault and the form, no password."""
    with pytest.raises(PermanentError, match=text) as refused:
        async with asyncio.timeout(20), open_pool(dsn, min_size=1, max_size=1, application_name="test"):
            pass
    assert "postgresql://user:password@host:port/name" in str(refused.value)
    assert "cret" not in str(refused.value)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:p@host:5432/x",
        "postgres://host/x",
        "postgresql://u@[::1]:5432/x",
        "postgresql://a:1,b:2/x",
        "postgresql:///x?host=/run/postgresql&port=5433",
        "postgresql://host?dbname=x",
        "postgresql://u:p%23@host/x",
    ],
)
def test_a_dsn_may_have_all_forms_of_libpq(dsn: str) -> None:
    """Several hosts, IPv6, sockets and parts behind the question mark are taken."""
    check_dsn(dsn)


@pytest.mark.parametrize(("dsn", "text"), WRONG)
def test_migrate_says_it_in_a_sentence(dsn: str, text: str) -> None:
    """`wattline migrate` ends with status 1 and what is wrong."""
    ended = CliRunner().invoke(migrate, ["--dsn", dsn])
    assert isinstance(ended.exception, SystemExit)
    assert ended.exit_code == 1
    assert text in ended.output


@pytest.mark.parametrize(
    ("dsn", "tried", "role"),
    [
        ("postgresql://u:secret@db:5433/x", "db:5433/x", "u"),
        ("postgres://db/x", "db:5432/x", "(none named)"),
        ("postgresql://u:se%40cret@[::1]/x", "[::1]:5432/x", "u"),
        ("postgresql://u:secret@a:1,b:2/x?sslmode=require", "a:1,b:2/x", "u"),
        ("postgresql://u:secret@a,b:2/x", "a:5432,b:2/x", "u"),
        ("postgresql:///x?host=/run/postgresql&port=5433&user=u&password=secret", "/run/postgresql:5433/x", "u"),
        ("postgresql:///x?host=a,b&port=5433", "a:5433,b:5433/x", "(none named)"),
        ("postgresql:///x", "the local socket:5432/x", "(none named)"),
        ("postgresql://db?dbname=x&password=secret", "db:5432/x", "(none named)"),
    ],
)
def test_where_it_was_tried_without_the_password(dsn: str, tried: str, role: str) -> None:
    """Hosts, ports and database are told, wherever in the address they stand."""
    check_dsn(dsn)
    assert (place(dsn), user(dsn)) == (tried, role)
