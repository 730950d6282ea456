"""The API's routes about people who log in by name and password."""

from typing import Final

from pydantic import SecretStr

from broker.buckets import Buckets
from gateway.api.auth.models import OwnPassword, UserPage, UserPatch, UserRequest, UserView
from gateway.api.auth.passwords import fault_of
from gateway.api.auth.store import add_account, change_account, find_account, list_accounts, remove_account
from gateway.api.auth.tokens import Authenticator
from gateway.api.pages import page_of, text_cursor
from gateway.api.route import Answer, Call, Route, read_body
from gateway.faults import Fault, conflict, invalid, too_many, unknown
from gateway.models import PageQuery
from gateway.principals import Principal, is_reserved
from gateway.roles import Role
from store.pool import Pool

OWN_GUESSES: Final = 5
"""Wrong old passwords of who is logged in, before it is one a minute."""
PASSWORD_FIX = "12 to 256 characters that nobody guesses: four words by chance will do"  # noqa: S105 - says how


class UserRoutes:
    """Users of the console, for admins, and everybody's own password."""

    def __init__(self, pool: Pool, authenticator: Authenticator) -> None:
        self._pool = pool
        self._authenticator = authenticator
        self._wrong = Buckets(1 / 60, OWN_GUESSES)

    def routes(self) -> list[Route]:
        """The routes served here."""
        made = "Make a user, who logs in at the console by name and password."
        changed = "Set a user's role or password; their sessions end within seconds."
        ended = "Remove a user; their sessions and streams end within seconds."
        own = "Change one's own password; one's sessions end."
        one, fields, admin, json = "/users/{user}", {"user": "The user's name."}, Role.ADMIN, ("application/json",)
        return [
            Route("GET", "/users", "listUsers", "Users.", self.page, UserPage, PageQuery, role=admin),
            Route("POST", "/users", "createUser", made, self.create, UserView, None, UserRequest, role=admin,
                  media=json, secret=True),
            Route("PATCH", one, "changeUser", changed, self.change, UserView, None, UserPatch, fields, role=admin,
                  media=json, secret=True),
            Route("DELETE", one, "removeUser", ended, self.remove, UserView, path_fields=fields, role=admin),
            Route("PUT", "/me/password", "changeOwnPassword", own, self.change_own, UserView, None, OwnPassword,
                  role=Role.VIEWER, media=json, secret=True),
        ]  # fmt: skip

    async def page(self, call: Call) -> Answer:
        """GET /users."""
        query: PageQuery = call.query
        rows = await list_accounts(self._pool, text_cursor(query), query.limit + 1)
        page, more = page_of(rows, query.limit, "name")
        return Answer(UserPage(items=page, next=more))

    async def create(self, call: Call) -> Answer:
        """POST /users."""
        asked = read_body(UserRequest, call)
        if is_reserved(asked.name):
            raise invalid("name", f"{asked.name!r} is how the gateway names what is nobody's", "take another name")
        hashed = await self._hashed(asked.name, asked.password, "password")
        made = await add_account(self._pool, asked.name, asked.role, hashed, call.who.name)
        if made is None:
            fault = Fault("name", f"a user or a token {asked.name!r} is there", "take another name")
            raise conflict(str(fault), [fault])
        return Answer(made)

    async def change(self, call: Call) -> Answer:
        """PATCH /users/{user}."""
        asked, name = read_body(UserPatch, call), call.path["user"]
        hashed = None if asked.password is None else await self._hashed(name, asked.password, "password")
        return Answer(await self._changed(name, asked.role, hashed))

    async def remove(self, call: Call) -> Answer:
        """DELETE /users/{user}."""
        removed = await remove_account(self._pool, call.path["user"]) if "\0" not in call.path["user"] else None
        if removed is None:
            raise unknown("user", call.path["user"])
        self._authenticator.forget()
        return Answer(removed)

    async def change_own(self, call: Call) -> Answer:
        """PUT /me/password."""
        asked, who = read_body(OwnPassword, call), call.who
        account = None if who.account_id is None else await find_account(self._pool, who.name)
        if account is None or account.password is None:
            why = f"{who.name} is no user with a password"
            raise conflict(why, [Fault("old", why, "an admin makes users: wattline user add")])
        _check(who.name, asked.new, "new")
        if not await self._is_own(who, asked.old.get_secret_value()):
            raise invalid("old", "this is not your password", "type the one that you logged in with")
        return Answer(await self._changed(who.name, None, await self._hashed(who.name, asked.new, "new")))

    async def _is_own(self, who: Principal, password: str) -> bool:
        """Whether a password is that of who asks. Raises Refusal: whoever took a session must not find it out by it.

        It is counted before it is judged, so that many at once are no more than one after the other.
        """
        if wait_s := self._wrong.take(who.caller):
            raise too_many(f"too many wrong passwords of {who.name}", wait_s)
        wrong = False
        try:
            wrong = await self._authenticator.by_password(who.name, password) is None
        finally:
            if not wrong:
                self._wrong.give_back(who.caller)
        return not wrong

    async def _changed(self, name: str, role: Role | None, hashed: str | None) -> UserView:
        changed = await change_account(self._pool, name, role, hashed) if "\0" not in name else None
        if changed is None:
            raise unknown("user", name)
        self._authenticator.forget()
        return changed

    async def _hashed(self, name: str, password: SecretStr, field: str) -> str:
        _check(name, password, field)
        return await self._authenticator.hashed(password.get_secret_value())


def _check(name: str, password: SecretStr, field: str) -> None:
    """See that a password may be a user's. Raises Refusal."""
    if fault := fault_of(name, password.get_secret_value()):
        raise invalid(field, fault, PASSWORD_FIX)
