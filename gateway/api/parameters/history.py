"""Routes about the versions of parameters: their history, and how two of them differ."""

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from broker.contract.messages import At
from gateway.api.pages import CURSOR_FIX
from gateway.api.parameters.models import MAX_VERSION
from gateway.api.parameters.routes import SCOPES, fields_of
from gateway.api.route import Answer, Call, Route
from gateway.desired.layers import Difference, differences
from gateway.faults import invalid
from gateway.models import ApiModel, PageQuery, encode_cursor
from gateway.parameters.history import NEWEST, Version, layer_at, newest_version, versions
from gateway.parameters.scopes import find_scope
from store.pool import Pool


class DiffQuery(ApiModel):
    """Which versions to compare; 0 is the empty one before the first."""

    start: int | None = Field(
        default=None, alias="from", ge=0, le=MAX_VERSION, description="The one before `to` without it."
    )
    end: int | None = Field(default=None, alias="to", ge=0, le=MAX_VERSION, description="The newest without it.")


class ChangeView(ApiModel):
    """A field that two versions say otherwise; null where one leaves it to the layers below."""

    field: str
    before: Any
    after: Any


class VersionView(ApiModel):
    """One version of a scope's parameters, and what it changed."""

    version: int
    hash: str
    parameters: dict[str, Any]
    changes: tuple[ChangeView, ...]
    author: str
    reason: str | None
    created_at: At


class HistoryPage(ApiModel):
    """Versions of a scope's parameters, the newest first."""

    scope: str
    items: tuple[VersionView, ...]
    next: str | None


class DiffView(ApiModel):
    """How two versions of a scope's parameters differ."""

    scope: str
    start: int = Field(alias="from")
    end: int = Field(alias="to")
    changes: tuple[ChangeView, ...]


class HistoryRoutes:
    """Versions by scope."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def routes(self) -> list[Route]:
        """The routes served here."""
        found = []
        for path, name, whose, _ in SCOPES:
            fields = fields_of(path)
            listed = f"Versions of what {whose} sets, the newest first: what each changed, who made it, when and why."
            compared = f"How two versions of what {whose} sets differ."
            found += [
                Route("GET", f"{path}/history", f"get{name}ParameterHistory", listed, self.history, HistoryPage,
                      PageQuery, None, fields),
                Route("GET", f"{path}/diff", f"get{name}ParameterDiff", compared, self.diff, DiffView, DiffQuery,
                      None, fields),
            ]  # fmt: skip
        return found

    async def history(self, call: Call) -> Answer:
        """GET .../parameters/history."""
        query: PageQuery = call.query
        async with self._pool.acquire() as connection:
            scope = await find_scope(connection, call.path)
            found, more = await versions(connection, scope.key, _below(query), query.limit)
        cursor = encode_cursor(found[-1].stored.version) if more else None
        return Answer(HistoryPage(scope=scope.key, items=tuple(_version(one) for one in found), next=cursor))

    async def diff(self, call: Call) -> Answer:
        """GET .../parameters/diff."""
        query: DiffQuery = call.query
        async with self._pool.acquire() as connection:
            scope = await find_scope(connection, call.path)
            end = await newest_version(connection, scope.key) if query.end is None else query.end
            start = max(0, end - 1) if query.start is None else query.start
            after = await layer_at(connection, scope.key, end, field="to")
            before = await layer_at(connection, scope.key, start, field="from")
        changes = _changes(differences(before, after))
        return Answer(DiffView(scope=scope.key, start=start, end=end, changes=changes))


def _below(query: PageQuery) -> int:
    match query.cursor:
        case None:
            return NEWEST
        case [int() as number] if 0 < number <= NEWEST:
            return number
    raise invalid("cursor", "this is no cursor of this list", CURSOR_FIX)


def _version(one: Version) -> VersionView:
    return VersionView(
        version=one.stored.version,
        hash=one.stored.layer.digest(),
        parameters=one.stored.layer.parameters,
        changes=_changes(one.changes),
        author=one.stored.author,
        reason=one.stored.reason,
        created_at=one.stored.created_at,
    )


def _changes(found: Iterable[Difference]) -> tuple[ChangeView, ...]:
    return tuple(ChangeView.model_validate(one, from_attributes=True) for one in found)
