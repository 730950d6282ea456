"""Routes about the labels of devices."""

from typing import Annotated, Any, Final

from pydantic import Field, RootModel, ValidationError

from broker.errors import ContractError
from gateway.api_models import ApiModel
from gateway.api_route import Answer, Call, Route, require_match
from gateway.desired import configuring
from gateway.device_labels import DeviceLabels, labels_of, set_labels
from gateway.labels import NAME, changed, refusals
from gateway.layers import Problem
from gateway.problem import ApiError, invalid, not_found, refused
from gateway.publisher import Publisher
from gateway.spec_models import LifeQuery
from store.pool import Pool

PATH = "/devices/{device}/labels"
MEDIA = ("application/json",)
MAX_GIVEN = 256
NAMES: Final[dict[str, Any]] = {"propertyNames": {"pattern": f"^{NAME.pattern}$"}}


class LabelSet(RootModel[Annotated[dict[str, str], Field(max_length=MAX_GIVEN, json_schema_extra=NAMES)]]):
    """All labels of a device, by name."""


class LabelPatch(RootModel[Annotated[dict[str, str | None], Field(max_length=MAX_GIVEN, json_schema_extra=NAMES)]]):
    """Labels to set (RFC 7396); null takes one away."""


class LabelsView(ApiModel):
    """A device's labels, and the facts of its registration that selectors take as labels too."""

    device: str
    labels: dict[str, str]
    facts: dict[str, str]


class LabelRoutes:
    """Labels of one device. A change is committed, and the devices that it gives another spec are published."""

    def __init__(self, pool: Pool, publisher: Publisher) -> None:
        self._pool = pool
        self._publisher = publisher

    def routes(self) -> list[Route]:
        """The routes served here."""
        fields = {"device": "The device's id."}
        told, some, all_ = "A device's labels.", "Set some labels of a device.", "Replace all labels of a device."
        view, query = LabelsView, LifeQuery
        return [
            Route("GET", PATH, "getLabels", told, self.get, view, None, None, fields, etag=True),
            Route("PATCH", PATH, "patchLabels", some, self.patch, view, query, LabelPatch, fields, True, MEDIA),
            Route("PUT", PATH, "putLabels", all_, self.put, view, query, LabelSet, fields, True, MEDIA),
        ]

    async def get(self, call: Call) -> Answer:
        """GET /devices/{device}/labels."""
        async with self._pool.acquire() as connection:
            return _answer(await labels_of(connection, call.path["device"]), call.path["device"])

    async def patch(self, call: Call) -> Answer:
        """PATCH /devices/{device}/labels."""
        return await self._change(call, _read(LabelPatch, call.body), replace=False)

    async def put(self, call: Call) -> Answer:
        """PUT /devices/{device}/labels."""
        return await self._change(call, _read(LabelSet, call.body), replace=True)

    async def _change(self, call: Call, given: dict[str, str | None], *, replace: bool) -> Answer:
        faults = tuple(Problem(one.field, one.reason, one.fix) for one in refusals(given))
        if faults:
            raise ApiError(422, f"{faults[0].field}: {faults[0].reason}; {faults[0].fix}", faults)
        name, query = call.path["device"], call.query
        async with configuring(self._pool) as connection:
            before = await labels_of(connection, name)
            if before is None:
                raise not_found("device", name)
            require_match(call, _answer(before, name), "the labels")
            try:
                labels = changed({} if replace else before.labels, given)
            except ContractError as error:
                raise refused(error) from error
            devices = await set_labels(
                connection, before, labels, self._publisher, author=query.author, reason=query.reason
            )
            after = await labels_of(connection, name)
        self._publisher.mark(*devices)
        return _answer(after, name)


def _read(model: type[RootModel[Any]], body: bytes) -> dict[str, str | None]:
    try:
        return dict(model.model_validate_json(body).root)
    except ValidationError as error:
        raise invalid(error, ["names with texts"]) from error


def _answer(found: DeviceLabels | None, device: str) -> Answer:
    if found is None:
        raise not_found("device", device)
    view = LabelsView(device=found.device, labels=dict(found.labels), facts=dict(found.facts))
    return Answer(view, etag=f'"{found.version}"')
