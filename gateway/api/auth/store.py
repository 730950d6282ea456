"""Tokens, sessions and the audit in the store."""

from dataclasses import dataclass
from datetime import datetime

from gateway.api.auth.models import AuditLine, TokenView, UserView
from gateway.roles import Role
from store.sql import Database, statement


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose a token or a session is; `stale` where the token's last use should be noted anew."""

    token_id: int | None
    account_id: int | None
    name: str
    role: Role
    stale: bool


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """A user with what is kept of the password."""

    id: int
    role: Role
    password: str | None
    """None for who logs in by a provider."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user who logs in by a provider, and the name under which they act."""

    id: int
    name: str


class ListedToken(TokenView):
    """A token with its number."""

    id: int


class ListedLine(AuditLine):
    """A line of the audit with its number."""

    id: int


@statement
async def find_token(database: Database, sha256: bytes) -> Holder | None:
    """Whose token has this hash; None for one that is unknown, revoked or expired."""


@statement
async def find_session(database: Database, sha256: bytes) -> Holder | None:
    """Whose session has this hash."""


@statement
async def session_proof(database: Database, sha256: bytes) -> bytes | None:
    """By what a session was opened that no token stands for."""


@statement
async def open_session(
    database: Database,
    sha256: bytes,
    token_id: int | None,
    account_id: int | None,
    proof: bytes | None,
    hours: int,
) -> None:
    """Open a session for so long."""


@statement
async def close_session(database: Database, sha256: bytes) -> None:
    """End a session."""


@statement
async def note_token_use(database: Database, token_id: int) -> None:
    """A token was used now."""


@statement
async def add_token(
    database: Database, name: str, role: Role, sha256: bytes, author: str, expires_at: datetime | None
) -> TokenView | None:
    """Enter a token; None where one of this name lives, or a user has it."""


@statement
async def find_account(database: Database, name: str) -> StoredAccount | None:
    """The user of this name."""


@statement
async def add_account(database: Database, name: str, role: Role, password: str, author: str) -> UserView | None:
    """Enter a user; None where the name is another user's or a living token's."""


@statement
async def known_person(database: Database, issuer: str, subject: str, role: Role) -> Person | None:
    """Whom a provider means, with the role that it says now; None for somebody new."""


@statement
async def add_person(
    database: Database, name: str, role: Role, issuer: str, subject: str, author: str
) -> Person | None:
    """Enter whom a provider means; None where the name is another user's or a living token's."""


@statement
async def change_account(database: Database, name: str, role: Role | None, password: str | None) -> UserView | None:
    """Set a user's role, password or both, and end all of their sessions; None where there is none that can have it."""


@statement
async def remove_account(database: Database, name: str) -> UserView | None:
    """Forget a user with their sessions; None where there is no such user."""


@statement
async def list_accounts(database: Database, after: str, limit: int) -> list[UserView]:
    """Users behind a name, by name."""


@statement
async def note_login(database: Database, account_id: int) -> None:
    """A user logged in now."""


@statement
async def revoke_token(database: Database, name: str) -> TokenView | None:
    """End a token; None where none of this name lives."""


@statement
async def list_tokens(database: Database, after: int, revoked: bool, limit: int) -> list[ListedToken]:
    """Tokens behind a number, with those that were revoked or without."""


@statement
async def list_audit(
    database: Database, before: datetime, before_id: int, actor: str | None, refused: bool | None, limit: int
) -> list[ListedLine]:
    """Lines of the audit before a place, the newest first."""
