"""Who asks: roles, tokens and console sessions. Secrets are kept as hashes only."""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.sql import load
from store.pool import Pool

CACHE_S: Final = 5.0
"""For so long a found token is believed without asking the database: revoking holds everywhere after it."""
CACHED: Final = 4096
SESSION_BYTES: Final = 32
TOKEN_PREFIX: Final = "wl_"  # noqa: S105 - what tokens begin with, so that scanners can find a leaked one


class Role(StrEnum):
    """What somebody may do; each may all that the ones before may."""

    VIEWER = "viewer"
    ENGINEER = "engineer"
    ADMIN = "admin"

    def covers(self, needed: "Role") -> bool:
        """Whether this role is enough."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who showed a token; `name` stands in the audit, and as author where a change names none."""

    name: str
    role: Role
    token_id: int | None = None
    """None for the token of the gateway's settings, and where no token is asked for."""

    @property
    def author(self) -> str:
        """Who a change is by, where the request does not say."""
        return "api" if self.token_id is None else self.name


LOCAL: Final = Principal("local", Role.ADMIN)
"""Whoever reaches a gateway without a token, which listens on loopback only."""
SETTING: Final = Principal("api", Role.ADMIN)
"""Whoever shows the token of the gateway's settings."""


def digest(secret: str) -> bytes:
    """What is kept of a secret of 256 random bits."""
    return hashlib.sha256(secret.encode(errors="replace")).digest()


def new_token() -> str:
    """A token that nobody can guess."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


class Doorkeeper:
    """Recognises tokens and sessions. Remembers the newest CACHED of them; a forgotten one is looked up again."""

    def __init__(self, pool: Pool, setting: str | None) -> None:
        self._pool = pool
        self._setting = setting
        self._known: OrderedDict[bytes, tuple[float, Principal | None]] = OrderedDict()

    @property
    def guarded(self) -> bool:
        """Whether a token is asked for at all."""
        return self._setting is not None

    async def by_token(self, token: str) -> Principal | None:
        """Who shows this token, None where it is unknown, revoked or expired."""
        if self._setting is not None and hmac.compare_digest(token.encode(errors="replace"), self._setting.encode()):
            return SETTING
        return await self._remembered(digest(token), "find_token")

    async def by_session(self, cookie: str) -> Principal | None:
        """Who is logged in with this cookie."""
        key = digest("session:" + cookie)
        found = await self._remembered(key, "find_session")
        if found is not None or self._setting is None:
            return found
        proof = await self._pool.fetchval(load("session_proof"), key)
        if proof is not None and hmac.compare_digest(proof, _proof(cookie, self._setting)):
            return SETTING
        return None

    async def open_session(self, token: str, hours: int) -> tuple[str, Principal] | None:
        """A cookie for whoever shows this token, None where nobody does."""
        principal = await self.by_token(token)
        if principal is None:
            return None
        cookie = secrets.token_urlsafe(SESSION_BYTES)
        by_setting = None if principal.token_id is not None or self._setting is None else _proof(cookie, self._setting)
        await self._pool.execute(
            load("open_session"), digest("session:" + cookie), principal.token_id, by_setting, hours
        )
        return cookie, principal

    async def close_session(self, cookie: str) -> None:
        """End a session."""
        key = digest("session:" + cookie)
        self._known.pop(key, None)
        await self._pool.execute("DELETE FROM console_session WHERE sha256 = $1", key)

    def forget(self) -> None:
        """Look everything up anew: a token was revoked."""
        self._known.clear()

    async def _remembered(self, key: bytes, query: str) -> Principal | None:
        now = time.monotonic()
        until, principal = self._known.get(key, (0.0, None))
        if until > now:
            return principal
        row = await self._pool.fetchrow(load(query), key)
        principal = None if row is None else Principal(row["name"], Role(row["role"]), row["id"])
        if row is not None and row["stale"]:
            await self._pool.execute("UPDATE api_token SET last_used_at = now() WHERE id = $1", row["id"])
        self._known[key] = (now + CACHE_S, principal)
        self._known.move_to_end(key)
        while len(self._known) > CACHED:
            self._known.popitem(last=False)
        return principal


def _proof(cookie: str, setting: str) -> bytes:
    return hmac.digest(cookie.encode(errors="replace"), setting.encode(), "sha256")
