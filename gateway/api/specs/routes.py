"""Routes about specs: what there is, whether a document may be published, and the changes of a spec's state."""

import asyncio
from dataclasses import asdict

from gateway.api.pages import CURSOR_FIX, page_of
from gateway.api.route import Answer, Call, Route
from gateway.api.specs.answers import SpecAnswers
from gateway.faults import invalid
from gateway.models import ReasonQuery
from gateway.roles import Role
from gateway.specs.drafts import SpecDrafts
from gateway.specs.life import SpecLife
from gateway.specs.models import (
    CompareQuery,
    DraftRequest,
    SpecChange,
    SpecComparison,
    SpecDetail,
    SpecDraft,
    SpecPage,
    SpecQuery,
    SpecReport,
    SpecsQuery,
    UnknownPage,
    UnknownQuery,
)
from gateway.specs.reports import comparison_view, report, unknown_view
from gateway.specs.rollouts.models import PublishQuery, SaveQuery
from gateway.specs.store import list_specs
from gateway.specs.text import as_written, as_yaml, author_text
from meters.specs.spec import Spec
from store.pool import Pool

MEDIA = ("application/json", "application/yaml")
FIELDS = {"name": "The spec's name.", "version": "Its version, from 1."}
ONE = "/specs/{name}/{version}"


class SpecRoutes:
    """Specs and their life."""

    def __init__(self, pool: Pool, life: SpecLife, answers: SpecAnswers) -> None:
        self._pool = pool
        self._life = life
        self._answers = answers
        self._drafts = SpecDrafts(pool)

    def routes(self) -> list[Route]:
        """The routes served here."""
        judged = "Judge a document without storing it: each wrong field, each golden that differs, each tie."
        saved = "Store a spec as a draft, or publish it for ever; meters that it fits get it at once."
        ended = "Deprecate a spec; no meter gets it anew, and those that have it keep it until a successor."
        compared = "Run it and the version before it over frames of real meters, and list what differs."
        drafted = "Propose a spec from the frames of an unknown product; nothing is stored."
        return [
            Route("GET", "/specs", "listSpecs", "Specs and drafts.", self.page, SpecPage, SpecsQuery),
            Route("GET", ONE, "getSpec", "A spec, as JSON or YAML.", self.detail, SpecDetail, SpecQuery,
                  path_fields=FIELDS, sends=("application/json", "application/yaml")),
            Route("POST", "/specs:validate", "validateSpec", judged, self.validate, SpecReport, None, Spec,
                  media=MEDIA, role=Role.VIEWER),
            Route("POST", "/specs", "saveSpec", saved, self.save, SpecChange, SaveQuery, Spec, media=MEDIA),
            Route("POST", ONE + ":publish", "publishSpec", "Publish a draft for ever.", self.publish, SpecChange,
                  PublishQuery, path_fields=FIELDS),
            Route("POST", ONE + ":deprecate", "deprecateSpec", ended, self.deprecate, SpecChange, ReasonQuery,
                  path_fields=FIELDS),
            Route("POST", ONE + ":compare", "compareSpec", compared, self.compare, SpecComparison, CompareQuery,
                  path_fields=FIELDS, role=Role.VIEWER),
            Route("POST", "/specs:draft", "draftSpec", drafted, self.draft, SpecDraft, None, DraftRequest,
                  media=("application/json",), role=Role.VIEWER),
            Route("GET", "/unknown", "listUnknown", "Meters that no product's spec reads, and ports that are not read.",
                  self.unknown, UnknownPage, UnknownQuery),
        ]  # fmt: skip

    async def page(self, call: Call) -> Answer:
        """GET /specs."""
        query: SpecsQuery = call.query
        name, version = "", 0
        if query.cursor is not None:
            match query.cursor:
                case [str() as name, int() as version] if 0 <= version < 2**31:
                    pass
                case _:
                    raise invalid("cursor", "this is no cursor of this list", CURSOR_FIX)
        rows = await list_specs(self._pool, name, version, query.state, query.generic, query.limit + 1)
        page, more = page_of(rows, query.limit, "spec", "version")
        return Answer(SpecPage(items=page, next=more))

    async def detail(self, call: Call) -> Answer:
        """GET /specs/{name}/{version}."""
        query: SpecQuery = call.query
        stored = await self._life.find(call.path["name"], call.path["version"])
        text = author_text(stored.ref, stored.sha256, stored.source)
        # a long text takes a tenth of a second or more to read
        document = await asyncio.to_thread(as_written, text, stored.document)
        if (query.format or ("yaml" if "yaml" in call.accept else "json")) == "yaml":
            return Answer(as_yaml(text, document))
        values = {name: value for name, value in asdict(stored).items() if name != "source"}
        before = self._life.before(stored.spec, stored.version)
        return Answer(SpecDetail(**{**values, "document": document, "before": before}))

    async def validate(self, call: Call) -> Answer:
        """POST /specs:validate."""
        return Answer(report(await self._life.validate(call.body)))

    async def save(self, call: Call) -> Answer:
        """POST /specs."""
        query: SaveQuery = call.query
        change = self._life.publish if query.publish else self._life.save
        return await self._answers.changed(await change(call.body, query))

    async def publish(self, call: Call) -> Answer:
        """POST /specs/{name}/{version}:publish."""
        return await self._answers.changed(
            await self._life.publish_draft(call.path["name"], call.path["version"], call.query)
        )

    async def deprecate(self, call: Call) -> Answer:
        """POST /specs/{name}/{version}:deprecate."""
        return await self._answers.changed(
            await self._life.deprecate(call.path["name"], call.path["version"], call.query)
        )

    async def compare(self, call: Call) -> Answer:
        """POST /specs/{name}/{version}:compare."""
        query: CompareQuery = call.query
        found = await self._life.compare(call.path["name"], call.path["version"], query.against)
        return Answer(comparison_view(found))

    async def unknown(self, call: Call) -> Answer:
        """GET /unknown."""
        query: UnknownQuery = call.query
        groups = [one for one in await self._drafts.unknown() if query.meter in (None, *one.meters)]
        lacking = await self._drafts.without_unit(groups)
        items = tuple(unknown_view(one, lacking.get(one.group, ())) for one in groups)
        return Answer(UnknownPage(items=items, ports=tuple(await self._drafts.unread_ports())))

    async def draft(self, call: Call) -> Answer:
        """POST /specs:draft."""
        made, frames = await self._drafts.draft(call.body)
        return Answer(
            SpecDraft(
                text=made.text,
                protocol=str(made.protocol),
                frames=frames,
                telegrams=made.telegrams,
                codes=made.codes,
                goldens=made.goldens,
                guessed_units=made.guessed_units,
            )
        )
