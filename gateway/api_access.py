"""Routes about tokens and the audit."""

from datetime import UTC, datetime, timedelta

from gateway.access import Doorkeeper, Role, digest, new_token
from gateway.access_models import (
    AuditLine,
    AuditPage,
    AuditQuery,
    TokenMade,
    TokenPage,
    TokenRequest,
    TokensQuery,
    TokenView,
    Whoami,
)
from gateway.api_cursors import CURSOR_FIX, page_of, timed_cursor
from gateway.api_route import Answer, Call, Route, read_body
from gateway.layers import Problem
from gateway.problem import ApiError, not_found, wrong
from gateway.sql import load
from store.pool import Pool


class AccessRoutes:
    """Who one is, tokens, and the audit."""

    def __init__(self, pool: Pool, keeper: Doorkeeper) -> None:
        self._pool = pool
        self._keeper = keeper

    def routes(self) -> list[Route]:
        """The routes served here."""
        made = "Make a token; the answer alone shows its secret."
        ended = "Revoke a token; its sessions and streams end within seconds."
        audited = "Changes over HTTP and refused attempts, the newest first."
        fields, admin, json = {"token": "The token's name."}, Role.ADMIN, ("application/json",)
        return [
            Route("GET", "/me", "whoami", "Who the gateway takes the caller for.", self.me, Whoami),
            Route("GET", "/tokens", "listTokens", "Tokens.", self.page, TokenPage, TokensQuery, role=admin),
            Route("POST", "/tokens", "createToken", made, self.create, TokenMade, None, TokenRequest, role=admin,
                  media=json),
            Route("DELETE", "/tokens/{token}", "revokeToken", ended, self.revoke, TokenView, path_fields=fields,
                  role=admin),
            Route("GET", "/audit", "listAudit", audited, self.audit, AuditPage, AuditQuery, role=admin),
        ]  # fmt: skip

    async def me(self, call: Call) -> Answer:
        """GET /me."""
        return Answer(Whoami(name=call.who.name, role=call.who.role))

    async def page(self, call: Call) -> Answer:
        """GET /tokens."""
        query: TokensQuery = call.query
        after = 0
        if query.cursor is not None:
            match query.cursor:
                case [int() as after] if 0 <= after < 2**31:
                    pass
                case _:
                    raise wrong("cursor", "this is no cursor of this list", CURSOR_FIX)
        rows = await self._pool.fetch(load("list_tokens"), after, query.revoked, query.limit + 1)
        page, more = page_of(rows, query.limit, "id")
        items = tuple(TokenView(**{name: row[name] for name in TokenView.model_fields}) for row in page)
        return Answer(TokenPage(items=items, next=more))

    async def create(self, call: Call) -> Answer:
        """POST /tokens."""
        asked = read_body(TokenRequest, call)
        token = new_token()
        expires_at = datetime.now(UTC) + timedelta(days=asked.days) if asked.days else None
        row = await self._pool.fetchrow(
            load("add_token"), asked.name, asked.role, digest(token), call.who.name, expires_at
        )
        if row is None:
            fault = Problem("name", f"a token {asked.name!r} is there", "revoke it first, or take another name")
            raise ApiError(409, f"name: a token {asked.name!r} is there; revoke it first", [fault])
        return Answer(TokenMade(**dict(row), token=token))

    async def revoke(self, call: Call) -> Answer:
        """DELETE /tokens/{token}."""
        row = await self._pool.fetchrow(load("revoke_token"), call.path["token"])
        if row is None:
            raise not_found("token", call.path["token"])
        self._keeper.forget()
        return Answer(TokenView(**dict(row)))

    async def audit(self, call: Call) -> Answer:
        """GET /audit."""
        query: AuditQuery = call.query
        before = timed_cursor(query.cursor)
        rows = await self._pool.fetch(load("list_audit"), *before, query.actor, query.refused, query.limit + 1)
        page, more = page_of(rows, query.limit, "at", "id")
        items = tuple(AuditLine(**{name: row[name] for name in AuditLine.model_fields}) for row in page)
        return Answer(AuditPage(items=items, next=more))
