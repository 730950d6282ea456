"""Routes about sources: what there is, how they prove themselves, and what their payloads mean."""

from dataclasses import asdict
from datetime import UTC, datetime

from gateway.api.gate import Gate
from gateway.api.route import Answer, Call, Route, read_body
from gateway.api.sources.models import (
    DraftedMapping,
    EnableQuery,
    MappingChange,
    MappingQuery,
    MappingVersions,
    MappingView,
    SampleRequest,
    SourceList,
    SourceRequest,
    SourceSecretRequest,
    SourceSecretView,
    SourceView,
    TriedView,
    TryRequest,
    VersionQuery,
)
from gateway.api.sources.views import mapping_view, tried_view
from gateway.faults import invalid
from gateway.models import AuthorQuery
from gateway.roles import Role
from gateway.sources.keeping import Sources
from gateway.sources.standing import fault_of
from gateway.sources.store import SourceState
from gateway.sources.trying import Sample, check_readable, payload_to_try, text_to_try, tried
from meters.mappings.document import Mapping
from meters.mappings.draft import draft_mapping
from store.source_settings import SourceSettings

MEDIA = ("application/json",)
FIELDS = {"source": "The source's name."}
ONE = "/sources/{source}"


class SourceRoutes:
    """Sources and their mappings."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        # whoever may look may try: a mapping's goldens alone may take a minute
        self._gate = Gate()

    def routes(self) -> list[Route]:
        """The routes served here."""
        made = "Make a source of a third party's payloads, with the device that stands for it."
        signed = "Set what a source signs with, or make it; it is shown in this answer alone."
        mapped = "Give a source another version of its mapping, in force at once; its goldens must hold."
        tried_on = "Try a mapping on a sample or a kept payload; nothing is stored."
        drafted = "Propose a mapping from a sample; nothing is stored."
        return [
            Route("GET", "/sources", "listSources", "Sources and how they stand.", self.all, SourceList),
            Route("POST", "/sources", "createSource", made, self.create, SourceView, AuthorQuery, SourceRequest,
                  media=MEDIA),
            Route("GET", ONE, "getSource", "A source and how it stands.", self.show, SourceView, path_fields=FIELDS),
            Route("PUT", f"{ONE}/settings", "putSourceSettings", "Replace a source's settings.", self.set, SourceView,
                  AuthorQuery, SourceSettings, FIELDS, media=MEDIA),
            Route("POST", f"{ONE}:enable", "enableSource", "Turn a source on or off.", self.enable, SourceView,
                  EnableQuery, path_fields=FIELDS),
            Route("PUT", f"{ONE}/secret", "putSourceSecret", signed, self.secret, SourceSecretView, AuthorQuery,
                  SourceSecretRequest, FIELDS, media=MEDIA, secret=True),
            Route("PUT", f"{ONE}/mapping", "putSourceMapping", mapped, self.map, MappingChange, MappingQuery, Mapping,
                  FIELDS, media=("application/yaml", "application/json")),
            Route("GET", f"{ONE}/mapping", "getSourceMapping", "A mapping, as its author wrote it.", self.mapping,
                  MappingView, VersionQuery, path_fields=FIELDS),
            Route("GET", f"{ONE}/mappings", "listSourceMappings", "Versions of a source's mapping.", self.versions,
                  MappingVersions, path_fields=FIELDS),
            Route("POST", f"{ONE}:try", "trySourceMapping", tried_on, self.attempt, TriedView, None, TryRequest,
                  FIELDS, media=MEDIA, role=Role.VIEWER),
            Route("POST", "/sources:draft", "draftSourceMapping", drafted, self.draft, DraftedMapping, None,
                  SampleRequest, media=MEDIA, role=Role.VIEWER),
        ]  # fmt: skip

    async def all(self, _: Call) -> Answer:
        """GET /sources."""
        return Answer(SourceList(items=tuple(_view(one) for one in await self._sources.all())))

    async def create(self, call: Call) -> Answer:
        """POST /sources."""
        asked = read_body(SourceRequest, call)
        return Answer(_view(await self._sources.create(asked.name, asked.kind, asked.settings, call.query.author)))

    async def show(self, call: Call) -> Answer:
        """GET /sources/{source}."""
        return Answer(_view(await self._sources.show(call.path["source"])))

    async def set(self, call: Call) -> Answer:
        """PUT /sources/{source}/settings."""
        settings = read_body(SourceSettings, call)
        return Answer(_view(await self._sources.set(call.path["source"], settings, call.query.author)))

    async def enable(self, call: Call) -> Answer:
        """POST /sources/{source}:enable."""
        query: EnableQuery = call.query
        return Answer(_view(await self._sources.enable(call.path["source"], query.enabled, query.author)))

    async def secret(self, call: Call) -> Answer:
        """PUT /sources/{source}/secret."""
        asked, name = read_body(SourceSecretRequest, call), call.path["source"]
        given = asked.secret.get_secret_value()
        shown = await self._sources.secret(name, given, asked.grace_s, call.query.author)
        return Answer(SourceSecretView(name=name, secret=shown))

    async def map(self, call: Call) -> Answer:
        """PUT /sources/{source}/mapping."""
        query: MappingQuery = call.query
        try:
            text = call.body.decode()
        except UnicodeDecodeError as error:
            raise invalid("body", f"no UTF-8 text: {error.reason}", "save the mapping as UTF-8") from error
        done = await self._sources.map(call.path["source"], text, query.author, query.reason)
        return Answer(MappingChange(source=call.path["source"], **asdict(done)))

    async def mapping(self, call: Call) -> Answer:
        """GET /sources/{source}/mapping."""
        name = call.path["source"]
        return Answer(mapping_view(name, await self._sources.mapping(name, call.query.version)))

    async def versions(self, call: Call) -> Answer:
        """GET /sources/{source}/mappings."""
        name = call.path["source"]
        found = await self._sources.versions(name)
        return Answer(MappingVersions(items=tuple(mapping_view(name, one) for one in found)))

    async def attempt(self, call: Call) -> Answer:
        """POST /sources/{source}:try."""
        asked, name = read_body(TryRequest, call), call.path["source"]
        await self._sources.show(name)
        sample = Sample(asked.payload, asked.base64, asked.content_type, asked.topic)
        payload = await payload_to_try(self._sources, name, asked.id, sample)
        text = await text_to_try(self._sources, name, asked.mapping)
        return Answer(tried_view(await self._gate.run(tried, name, text, payload)))

    async def draft(self, call: Call) -> Answer:
        """POST /sources:draft."""
        asked = read_body(SampleRequest, call)
        payload = Sample(asked.payload, asked.base64, asked.content_type, asked.topic).payload()
        check_readable(payload.body)
        made = await self._gate.run(draft_mapping, payload)
        return Answer(DraftedMapping(document=made.text, notes=made.notes))


def _view(one: SourceState) -> SourceView:
    return SourceView.model_validate(asdict(one) | {"fault": fault_of(one, datetime.now(UTC))})
