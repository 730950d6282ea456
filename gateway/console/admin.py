"""Tokens, users and the audit, for admins."""

from aiohttp import web

from gateway.console.browser import BrowserRequest, ConsoleApi, number_or_text
from gateway.faults import Kind, Refusal


class AdminPages:
    """GET /access and its parts."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page = self._console.page
        return [
            web.get("/access", page(self.access)),
            web.post("/access/tokens", page(self.create)),
            web.post("/access/tokens/{token}/revoke", page(self.revoke)),
            web.post("/access/users", page(self.create_user)),
            web.post("/access/users/{user}/remove", page(self.remove_user)),
            web.get("/access/audit", page(self.audit)),
        ]

    async def access(self, browser: BrowserRequest) -> web.StreamResponse:
        """Tokens, users and the newest lines of the audit."""
        tokens = await browser.ask("listTokens", query={"limit": "1000"})
        users = await browser.ask("listUsers", query={"limit": "1000"})
        audit = await browser.ask("listAudit", query={"limit": "50"})
        return browser.render(
            "access.html", tokens=tokens.items, audit=audit, made=None, error=None, form={},
            users=users.items, user_error=None, user_form={},
        )  # fmt: skip

    async def create(self, browser: BrowserRequest) -> web.StreamResponse:
        """Make a token; its secret is on this page once."""
        form = await browser.form()
        body = {"name": form.get("name", ""), "role": form.get("role", "")}
        days = form.get("days", "").strip()
        made, refused = None, None
        try:
            made = await browser.ask("createToken", body=body | ({"days": number_or_text(days)} if days else {}))
        except Refusal as error:
            if error.kind not in (Kind.CONFLICT, Kind.INVALID):
                raise
            refused = error
        return await self._tokens(browser, made=made, error=refused, form=form if refused else None)

    async def revoke(self, browser: BrowserRequest) -> web.StreamResponse:
        """Revoke a token."""
        await browser.ask("revokeToken", {"token": browser.path["token"]})
        return await self._tokens(browser)

    async def create_user(self, browser: BrowserRequest) -> web.StreamResponse:
        """Make a user with a first password."""
        form = await browser.form()
        refused = None
        try:
            await browser.ask("createUser", body={name: form.get(name, "") for name in ("name", "role", "password")})
        except Refusal as error:
            if error.kind not in (Kind.CONFLICT, Kind.INVALID):
                raise
            refused = error
        return await self._users(browser, refused, form if refused else {})

    async def remove_user(self, browser: BrowserRequest) -> web.StreamResponse:
        """Remove a user."""
        await browser.ask("removeUser", {"user": browser.path["user"]})
        return await self._users(browser)

    async def audit(self, browser: BrowserRequest) -> web.StreamResponse:
        """More lines of the audit."""
        query = {name: browser.request.query.get(name) for name in ("actor", "refused", "cursor")}
        found = await browser.ask("listAudit", query={**query, "limit": "50"})
        return browser.render("audit_rows.html", audit=found)

    async def _users(
        self, browser: BrowserRequest, error: Refusal | None = None, form: dict[str, str] | None = None
    ) -> web.StreamResponse:
        users = await browser.ask("listUsers", query={"limit": "1000"})
        return browser.render("users.html", users=users.items, user_error=error, user_form=form or {})

    async def _tokens(
        self,
        browser: BrowserRequest,
        made: object = None,
        error: Refusal | None = None,
        form: dict[str, str] | None = None,
    ) -> web.StreamResponse:
        tokens = await browser.ask("listTokens", query={"limit": "1000"})
        return browser.render("tokens.html", tokens=tokens.items, made=made, error=error, form=form or {})
