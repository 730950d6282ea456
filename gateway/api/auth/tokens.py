"""Who asks: roles, tokens, users and console sessions. Secrets are kept as hashes only."""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from broker.patterns import is_name
from gateway.api.auth.models import TokenView
from gateway.api.auth.passwords import NOBODYS, fits, kept
from gateway.api.auth.store import (
    Holder,
    add_person,
    add_token,
    close_session,
    find_account,
    find_session,
    find_token,
    known_person,
    note_login,
    note_token_use,
    open_session,
    revoke_token,
    session_proof,
)
from gateway.faults import Fault, conflict, invalid, unknown
from gateway.principals import SETTING, SYSTEM, Principal, is_reserved
from gateway.roles import Role
from store.pool import Pool

CACHE_S: Final = 5.0
"""For so long a found token is believed without asking the database: revoking holds everywhere after it."""
CACHED: Final = 4096
HASHED_AT_ONCE: Final = 2
"""Passwords that are compared at a time, of 32 MiB each; more wait."""
SESSION: Final = "session:"
"""What a cookie is hashed behind, so that it is never a token."""
SESSION_BYTES: Final = 32
TOKEN_PREFIX: Final = "wl_"  # noqa: S105 - what tokens begin with, so that scanners can find a leaked one


def digest(secret: str) -> bytes:
    """What is kept of a secret of 256 random bits."""
    return hashlib.sha256(secret.encode(errors="replace")).digest()


def new_token() -> str:
    """A token that nobody can guess."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


class Authenticator:
    """Recognises tokens and sessions. Remembers the newest CACHED of them; a forgotten one is looked up again."""

    def __init__(self, pool: Pool, setting: str | None) -> None:
        self._pool = pool
        self._setting = setting
        self._known: OrderedDict[bytes, tuple[float, Principal | None]] = OrderedDict()
        self._hashing = asyncio.Semaphore(HASHED_AT_ONCE)

    @property
    def guarded(self) -> bool:
        """Whether a token is asked for at all."""
        return self._setting is not None

    def knows_token(self, token: str) -> bool:
        """Whether this token was somebody's when it was last looked up; the database isn't asked."""
        return self._knows(digest(token))

    def knows_session(self, cookie: str) -> bool:
        """The same of a session."""
        return self._knows(digest(SESSION + cookie))

    def _knows(self, key: bytes) -> bool:
        return self._known.get(key, (0.0, None))[1] is not None

    async def by_token(self, token: str) -> Principal | None:
        """Who shows this token, None where it is unknown, revoked or expired."""
        if self._setting is not None and hmac.compare_digest(token.encode(errors="replace"), self._setting.encode()):
            return self._remember(digest(token), SETTING)
        return await self._remembered(digest(token), find_token)

    async def by_session(self, cookie: str) -> Principal | None:
        """Who is logged in with this cookie."""
        key = digest(SESSION + cookie)
        found = await self._remembered(key, find_session)
        if found is not None or self._setting is None:
            return found
        proof = await session_proof(self._pool, key)
        if proof is not None and hmac.compare_digest(proof, _proof(cookie, self._setting)):
            return self._remember(key, SETTING)
        return None

    async def open_session(self, token: str, hours: int) -> tuple[str, Principal] | None:
        """A cookie for whoever shows this token, None where nobody does."""
        principal = await self.by_token(token)
        if principal is None:
            return None
        cookie = secrets.token_urlsafe(SESSION_BYTES)
        by_setting = None if principal.token_id is not None or self._setting is None else _proof(cookie, self._setting)
        await open_session(self._pool, digest(SESSION + cookie), principal.token_id, None, by_setting, hours)
        return cookie, principal

    async def open_user_session(self, name: str, password: str, hours: int) -> tuple[str, Principal] | None:
        """A cookie for the user of this name and password, None where they don't fit."""
        principal = await self.by_password(name, password)
        if principal is None or principal.account_id is None:
            return None
        cookie = secrets.token_urlsafe(SESSION_BYTES)
        await open_session(self._pool, digest(SESSION + cookie), None, principal.account_id, None, hours)
        await note_login(self._pool, principal.account_id)
        return cookie, principal

    async def open_person_session(
        self, name: str, role: Role, issuer: str, subject: str, hours: int
    ) -> tuple[str, Principal]:
        """A cookie for whom a provider means; known by its subject, whatever the name is now.

        Raises Refusal: conflict where the name of somebody new is another's here.
        """
        person = await known_person(self._pool, issuer, subject, role)
        if person is None and not is_reserved(name):
            person = await add_person(self._pool, name, role, issuer, subject, SYSTEM)
        if person is None:
            fault = Fault("name", f"{name!r} is another's name here", "an admin renames or removes the other one")
            raise conflict(str(fault), [fault])
        cookie = secrets.token_urlsafe(SESSION_BYTES)
        await open_session(self._pool, digest(SESSION + cookie), None, person.id, None, hours)
        return cookie, Principal(person.name, role, account_id=person.id)

    async def by_password(self, name: str, password: str) -> Principal | None:
        """The user of this name and password; it takes as long where there is none of the name."""
        found = await find_account(self._pool, name) if is_name(name) else None
        async with self._hashing:
            stored = (found.password if found else None) or NOBODYS
            right = await asyncio.to_thread(fits, password, stored)
        return Principal(name, found.role, account_id=found.id) if found is not None and right else None

    async def hashed(self, password: str) -> str:
        """What is to be stored of a password."""
        async with self._hashing:
            return await asyncio.to_thread(kept, password)

    def forget(self) -> None:
        """Look everybody up anew: somebody's rights have changed."""
        self._known.clear()

    async def close_session(self, cookie: str) -> None:
        """End a session."""
        key = digest(SESSION + cookie)
        self._known.pop(key, None)
        await close_session(self._pool, key)

    async def make_token(self, name: str, role: Role, days: int | None, by: str) -> tuple[TokenView, str]:
        """Make a token for so many days, or until it is revoked; returns it, and the secret, which nobody keeps.

        Raises Refusal: conflict where one of this name is there, invalid for a name that the gateway itself acts under.
        """
        if is_reserved(name):
            raise invalid("name", f"{name!r} is how the gateway names what is nobody's token", "take another name")
        token = new_token()
        expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
        made = await add_token(self._pool, name, role, digest(token), by, expires_at)
        if made is None:
            fault = Fault("name", f"a token {name!r} is there", "revoke it first, or take another name")
            if await find_account(self._pool, name) is not None:
                fault = Fault("name", f"a user {name!r} is there", "take another name")
                raise conflict(str(fault), [fault])
            raise conflict(f"name: a token {name!r} is there; revoke it first", [fault])
        return made, token

    async def revoke_token(self, name: str) -> TokenView:
        """End a token, its sessions and streams; returns it. Raises Refusal: unknown."""
        revoked = await revoke_token(self._pool, name)
        if revoked is None:
            raise unknown("token", name)
        self._known.clear()
        return revoked

    async def _remembered(
        self, key: bytes, find: Callable[[Pool, bytes], Awaitable[Holder | None]]
    ) -> Principal | None:
        now = time.monotonic()
        until, principal = self._known.get(key, (0.0, None))
        if until > now:
            return principal
        holder = await find(self._pool, key)
        principal = None if holder is None else Principal(holder.name, holder.role, holder.token_id, holder.account_id)
        if holder is not None and holder.stale and holder.token_id is not None:
            await note_token_use(self._pool, holder.token_id)
        return self._remember(key, principal)

    def _remember(self, key: bytes, principal: Principal | None) -> Principal | None:
        self._known[key] = (time.monotonic() + CACHE_S, principal)
        self._known.move_to_end(key)
        while len(self._known) > CACHED:
            self._known.popitem(last=False)
        return principal


def _proof(cookie: str, setting: str) -> bytes:
    return hmac.digest(cookie.encode(errors="replace"), setting.encode(), "sha256")
