"""Routes about the labels of devices."""

from typing import Annotated, Any, Final

from pydantic import Field, RootModel, ValidationError

from broker.patterns import NAME, whole
from gateway.api.route import Answer, Call, Route, require_match
from gateway.desired.change import Configuration
from gateway.desired.labelling import change_labels
from gateway.fleet.device_labels import require_labels
from gateway.fleet.store.labels import DeviceLabels
from gateway.models import ApiModel, ReasonQuery
from gateway.validation import mismatch
from store.pool import Pool

PATH = "/devices/{device}/labels"
MEDIA = ("application/json",)
MAX_GIVEN = 256
NAMES: Final[dict[str, Any]] = {"propertyNames": {"pattern": whole(NAME)}}


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

    def __init__(self, pool: Pool, configuration: Configuration) -> None:
        self._pool = pool
        self._configuration = configuration

    def routes(self) -> list[Route]:
        """The routes served here."""
        fields = {"device": "The device's id."}
        shown, some, all_ = "A device's labels.", "Set some labels of a device.", "Replace all labels of a device."
        view, query = LabelsView, ReasonQuery
        return [
            Route("GET", PATH, "getLabels", shown, self.get, view, None, None, fields, etag=True),
            Route("PATCH", PATH, "patchLabels", some, self.patch, view, query, LabelPatch, fields, True, MEDIA),
            Route("PUT", PATH, "putLabels", all_, self.put, view, query, LabelSet, fields, True, MEDIA),
        ]

    async def get(self, call: Call) -> Answer:
        """GET /devices/{device}/labels."""
        async with self._pool.acquire() as connection:
            return _answer(await require_labels(connection, call.path["device"]))

    async def patch(self, call: Call) -> Answer:
        """PATCH /devices/{device}/labels."""
        return await self._change(call, _read(LabelPatch, call.body), replace=False)

    async def put(self, call: Call) -> Answer:
        """PUT /devices/{device}/labels."""
        return await self._change(call, _read(LabelSet, call.body), replace=True)

    async def _change(self, call: Call, given: dict[str, str | None], *, replace: bool) -> Answer:
        query: ReasonQuery = call.query

        def check(before: DeviceLabels) -> None:
            require_match(call, _answer(before), "the labels")

        after = await change_labels(
            self._configuration, call.path["device"], given, check,
            replace=replace, author=query.author, reason=query.reason,
        )  # fmt: skip
        return _answer(after)


def _read(model: type[RootModel[Any]], body: bytes) -> dict[str, str | None]:
    try:
        return dict(model.model_validate_json(body, strict=True).root)
    except ValidationError as error:
        raise mismatch(error, ["names with texts"]) from error


def _answer(found: DeviceLabels) -> Answer:
    view = LabelsView(
        device=found.device, labels=dict(sorted(found.labels.items())), facts=dict(sorted(found.facts.items()))
    )
    return Answer(view, etag=f'"{found.version}"')
