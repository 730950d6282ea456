"""Tokens and the audit, for admins."""

from aiohttp import web

from gateway.console.desk import Desk, Visit, number_or_text
from gateway.problem import ApiError


class AdminPages:
    """GET /access and its parts."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page = self._desk.page
        return [
            web.get("/access", page(self.access)),
            web.post("/access/tokens", page(self.create)),
            web.post("/access/tokens/{token}/revoke", page(self.revoke)),
            web.get("/access/audit", page(self.audit)),
        ]

    async def access(self, visit: Visit) -> web.StreamResponse:
        """Tokens and the newest lines of the audit."""
        tokens = await visit.ask("listTokens", query={"limit": "1000"})
        audit = await visit.ask("listAudit", query={"limit": "50"})
        return visit.render("access.html", tokens=tokens.items, audit=audit, made=None, error=None, form={})

    async def create(self, visit: Visit) -> web.StreamResponse:
        """Make a token; its secret is on this page once."""
        form = await visit.form()
        body = {"name": form.get("name", ""), "role": form.get("role", "")}
        days = form.get("days", "").strip()
        made, refused = None, None
        try:
            made = await visit.ask("createToken", body=body | ({"days": number_or_text(days)} if days else {}))
        except ApiError as error:
            if error.status not in (409, 422):
                raise
            refused = error
        return await self._tokens(visit, made=made, error=refused, form=form if refused else None)

    async def revoke(self, visit: Visit) -> web.StreamResponse:
        """Revoke a token."""
        await visit.ask("revokeToken", {"token": visit.path["token"]})
        return await self._tokens(visit)

    async def audit(self, visit: Visit) -> web.StreamResponse:
        """More lines of the audit."""
        query = {name: visit.request.query.get(name) for name in ("actor", "refused", "cursor")}
        found = await visit.ask("listAudit", query={**query, "limit": "50"})
        return visit.render("audit_rows.html", audit=found)

    async def _tokens(
        self, visit: Visit, made: object = None, error: ApiError | None = None, form: dict[str, str] | None = None
    ) -> web.StreamResponse:
        tokens = await visit.ask("listTokens", query={"limit": "1000"})
        return visit.render("tokens.html", tokens=tokens.items, made=made, error=error, form=form or {})
