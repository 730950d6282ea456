"""Routes about keys of meters: PUT and DELETE change them, and no GET has one."""

from dataclasses import asdict

from gateway.api.keys.models import KeylessView, MeterKeyList, MeterKeyRequest, MeterKeyView
from gateway.api.route import Answer, Call, Route, read_body
from gateway.keys.keeping import MeterKeys
from gateway.keys.store import KeyState
from gateway.models import AuthorQuery

ONE = "/meters/{meter}/key"


class KeyRoutes:
    """The keys of meters."""

    def __init__(self, keys: MeterKeys) -> None:
        self._keys = keys

    def routes(self) -> list[Route]:
        """The routes served here."""
        fields = {"meter": "The meter's key, for example LGZ:12345678, percent-encoded."}
        every = "Which meters have a key, by whom and since when, and which want one."
        shown = "That a meter has a key, by whom and since when; the key itself is shown to nobody."
        put = "Set a meter's key; what is kept of its telegrams is decoded by it."
        release = "Let the device have a meter's key at whose port the meter stands now."
        media = ("application/json",)
        return [
            Route("GET", "/meter-keys", "listMeterKeys", every, self.all, MeterKeyList),
            Route("GET", ONE, "getMeterKey", shown, self.show, MeterKeyView, path_fields=fields),
            Route("PUT", ONE, "putMeterKey", put, self.put, MeterKeyView, AuthorQuery, body=MeterKeyRequest,
                  media=media, secret=True, path_fields=fields),
            Route("DELETE", ONE, "deleteMeterKey", "Forget a meter's key.", self.remove, MeterKeyView, AuthorQuery,
                  path_fields=fields),
            Route("POST", f"{ONE}:release", "releaseMeterKey", release, self.release, MeterKeyView, AuthorQuery,
                  path_fields=fields),
        ]  # fmt: skip

    async def all(self, _: Call) -> Answer:
        """GET /meter-keys."""
        keys, wanted = await self._keys.all()
        return Answer(
            MeterKeyList(
                items=tuple(_view(one) for one in keys),
                wanted=tuple(KeylessView(meter=one.meter, device=one.device, key=one.said) for one in wanted),
            )
        )

    async def show(self, call: Call) -> Answer:
        """GET /meters/{meter}/key."""
        return Answer(_view(await self._keys.show(call.path["meter"])))

    async def put(self, call: Call) -> Answer:
        """PUT /meters/{meter}/key."""
        asked, query = read_body(MeterKeyRequest, call), call.query
        values = {kind: getattr(asked, kind).get_secret_value() for kind in MeterKeyRequest.model_fields}
        return Answer(_view(await self._keys.set(call.path["meter"], values, query.author)))

    async def remove(self, call: Call) -> Answer:
        """DELETE /meters/{meter}/key."""
        return Answer(_view(await self._keys.remove(call.path["meter"], call.query.author)))

    async def release(self, call: Call) -> Answer:
        """POST /meters/{meter}/key:release."""
        return Answer(_view(await self._keys.release(call.path["meter"], call.query.author)))


def _view(one: KeyState) -> MeterKeyView:
    return MeterKeyView.model_validate(asdict(one))
