"""Routes about payloads: what of a source waits or gave nothing, tried again or forgotten."""

import base64
from dataclasses import asdict

from gateway.api.pages import CURSOR_FIX
from gateway.api.route import Answer, Call, Route
from gateway.api.sources.models import (
    PayloadCount,
    PayloadDetail,
    PayloadPage,
    PayloadsQuery,
    PayloadsQueryOfOne,
    PayloadView,
)
from gateway.faults import invalid, unknown
from gateway.models import encode_cursor
from gateway.sources.keeping import Sources
from gateway.sources.store import PayloadRow

MAX_ID = 2**63 - 1
SHOWN_BYTES = 64 * 1024
FIELDS = {"source": "The source's name."}
PATH = "/sources/{source}/payloads"


class PayloadRoutes:
    """The payloads of a source."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def routes(self) -> list[Route]:
        """The routes served here."""
        again = "Have unmapped payloads tried again, and those of which a part could not be taken."
        one = FIELDS | {"payload": "Its number."}
        return [
            Route("GET", PATH, "listPayloads", "Payloads of a source, the newest first.", self.page, PayloadPage,
                  PayloadsQuery, path_fields=FIELDS),
            Route("GET", f"{PATH}/{{payload}}", "getPayload", "A payload with its body.", self.detail, PayloadDetail,
                  path_fields=one),
            Route("POST", f"{PATH}:retry", "retryPayloads", again, self.retry, PayloadCount, PayloadsQueryOfOne,
                  path_fields=FIELDS),
            Route("DELETE", PATH, "deletePayloads", "Forget unmapped payloads.", self.drop, PayloadCount,
                  PayloadsQueryOfOne, path_fields=FIELDS),
        ]  # fmt: skip

    async def page(self, call: Call) -> Answer:
        """GET /sources/{source}/payloads."""
        query: PayloadsQuery = call.query
        before = MAX_ID
        if query.cursor is not None:
            match query.cursor:
                case [int() as before] if 0 < before <= MAX_ID:
                    pass
                case _:
                    raise invalid("cursor", "this is no cursor of this list", CURSOR_FIX)
        found = await self._sources.payloads(call.path["source"], query.state, before, query.limit + 1)
        items = tuple(_view(one) for one in found[: query.limit])
        more = len(found) > query.limit
        return Answer(PayloadPage(items=items, next=encode_cursor(items[-1].id) if more else None))

    async def detail(self, call: Call) -> Answer:
        """GET /sources/{source}/payloads/{payload}."""
        text = call.path["payload"]
        if not (text.isdecimal() and text.isascii() and len(text) <= 18):
            raise unknown("payload", text)
        values = asdict(await self._sources.payload(call.path["source"], int(text)))
        body = values.pop("body")
        shown = None if body is None else base64.b64encode(body[:SHOWN_BYTES]).decode()
        return Answer(PayloadDetail(**values, base64=shown))

    async def retry(self, call: Call) -> Answer:
        """POST /sources/{source}/payloads:retry."""
        query: PayloadsQueryOfOne = call.query
        name = call.path["source"]
        return Answer(PayloadCount(source=name, payloads=await self._sources.retry(name, query.id, query.author)))

    async def drop(self, call: Call) -> Answer:
        """DELETE /sources/{source}/payloads."""
        query: PayloadsQueryOfOne = call.query
        name = call.path["source"]
        return Answer(PayloadCount(source=name, payloads=await self._sources.drop(name, query.id, query.author)))


def _view(one: PayloadRow) -> PayloadView:
    return PayloadView.model_validate(asdict(one))
