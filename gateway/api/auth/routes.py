"""Routes about tokens and the audit."""

from gateway.api.auth.models import (
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
from gateway.api.auth.store import list_audit, list_tokens
from gateway.api.auth.tokens import Authenticator
from gateway.api.pages import CURSOR_FIX, page_of, timed_cursor
from gateway.api.route import Answer, Call, Route, read_body
from gateway.faults import invalid
from gateway.roles import Role
from store.pool import Pool


class AccessRoutes:
    """Who one is, tokens, and the audit."""

    def __init__(self, pool: Pool, authenticator: Authenticator) -> None:
        self._pool = pool
        self._authenticator = authenticator

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
                    raise invalid("cursor", "this is no cursor of this list", CURSOR_FIX)
        rows = await list_tokens(self._pool, after, query.revoked, query.limit + 1)
        page, more = page_of(rows, query.limit, "id")
        items = tuple(TokenView.model_validate(row, from_attributes=True) for row in page)
        return Answer(TokenPage(items=items, next=more))

    async def create(self, call: Call) -> Answer:
        """POST /tokens."""
        asked = read_body(TokenRequest, call)
        made, token = await self._authenticator.make_token(asked.name, asked.role, asked.days, call.who.name)
        return Answer(TokenMade(**made.model_dump(), token=token))

    async def revoke(self, call: Call) -> Answer:
        """DELETE /tokens/{token}."""
        return Answer(await self._authenticator.revoke_token(call.path["token"]))

    async def audit(self, call: Call) -> Answer:
        """GET /audit."""
        query: AuditQuery = call.query
        before = timed_cursor(query.cursor)
        rows = await list_audit(self._pool, *before, query.actor, query.refused, query.limit + 1)
        page, more = page_of(rows, query.limit, "at", "id")
        items = tuple(AuditLine.model_validate(row, from_attributes=True) for row in page)
        return Answer(AuditPage(items=items, next=more))
