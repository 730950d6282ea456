"""Routes about proposals of sources, and the mappings that Wattline ships for other people's devices."""

from dataclasses import asdict
from typing import Any

from pydantic import Field

from broker.contract.messages import At
from gateway.api.route import Answer, Call, Route
from gateway.api.sources.models import SourceName
from gateway.faults import unknown
from gateway.models import ApiModel, AuthorQuery
from gateway.sources.proposals import Proposals
from gateway.sources.store import Proposal, ProposalState
from meters.mappings.catalogue import Shipped, catalogue

PATH = "/proposals"
ONE = "/proposals/{proposal}"
FIELDS = {"proposal": "Its number."}


class ProposalsQuery(ApiModel):
    """Which proposals."""

    state: ProposalState | None = Field(default=None, description="Left out, all.")


class AcceptQuery(AuthorQuery):
    """Who takes a proposal, and under which name."""

    name: SourceName | None = Field(default=None, description="The source's name; left out, the one proposed.")


class ProposalView(ApiModel):
    """A source that the bridge proposes."""

    id: int
    broker: str = Field(description="As the bridge's settings call it; `ours` is the platform's own.")
    origin: str = Field(description="homeassistant: the device announced itself; topics: a shipped mapping reads it.")
    name: str
    topics: tuple[str, ...] = Field(description="None for the topics of its mapping.")
    document: str = Field(description="The mapping, as YAML.")
    detail: dict[str, Any] = Field(description="The device, its meters, and what of it is no reading, and why.")
    state: ProposalState
    source: str | None = Field(description="The source that was made of it.")
    decided_by: str | None
    decided_at: At | None
    first_at: At
    last_at: At


class ProposalList(ApiModel):
    """Proposals, the newest first, at most 200."""

    items: tuple[ProposalView, ...]


class ShippedView(ApiModel):
    """A mapping that Wattline ships."""

    name: str
    title: str
    topics: tuple[str, ...] = Field(description="The filters of its topics.")
    notes: tuple[str, ...]
    goldens: int
    document: str = Field(description="As YAML, to be given to a source as it is.")


class ShippedList(ApiModel):
    """All of them by name."""

    items: tuple[ShippedView, ...]


class ProposalRoutes:
    """Proposals and the shipped mappings."""

    def __init__(self, proposals: Proposals) -> None:
        self._proposals = proposals

    def routes(self) -> list[Route]:
        """The routes served here."""
        accepted = "Make the source that is proposed, with its mapping."
        refused = "Have a source proposed no more; it can still be accepted."
        shipped = "Mappings that Wattline ships for other people's devices."
        return [
            Route("GET", PATH, "listProposals", "Sources that the bridge proposes, the newest first.", self.all,
                  ProposalList, ProposalsQuery),
            Route("GET", ONE, "getProposal", "A proposal with its mapping.", self.show, ProposalView,
                  path_fields=FIELDS),
            Route("POST", f"{ONE}:accept", "acceptProposal", accepted, self.accept, ProposalView, AcceptQuery,
                  path_fields=FIELDS),
            Route("POST", f"{ONE}:refuse", "refuseProposal", refused, self.refuse, ProposalView, AuthorQuery,
                  path_fields=FIELDS),
            Route("GET", "/mappings", "listShippedMappings", shipped, self.shipped, ShippedList),
        ]  # fmt: skip

    async def all(self, call: Call) -> Answer:
        """GET /proposals."""
        query: ProposalsQuery = call.query
        return Answer(ProposalList(items=tuple(_view(one) for one in await self._proposals.all(query.state))))

    async def show(self, call: Call) -> Answer:
        """GET /proposals/{proposal}."""
        return Answer(_view(await self._proposals.show(_number(call))))

    async def accept(self, call: Call) -> Answer:
        """POST /proposals/{proposal}:accept."""
        query: AcceptQuery = call.query
        return Answer(_view(await self._proposals.accept(_number(call), query.name, query.author)))

    async def refuse(self, call: Call) -> Answer:
        """POST /proposals/{proposal}:refuse."""
        return Answer(_view(await self._proposals.refuse(_number(call), call.query.author)))

    async def shipped(self, _: Call) -> Answer:
        """GET /mappings."""
        return Answer(ShippedList(items=tuple(_shipped(one) for one in catalogue())))


def _number(call: Call) -> int:
    text = call.path["proposal"]
    if not (text.isdecimal() and text.isascii() and len(text) <= 18):
        raise unknown("proposal", text)
    return int(text)


def _view(one: Proposal) -> ProposalView:
    return ProposalView.model_validate(asdict(one))


def _shipped(one: Shipped) -> ShippedView:
    mapping = one.mapping
    return ShippedView(
        name=one.name, title=mapping.title, topics=one.filters, notes=mapping.notes, goldens=len(mapping.goldens),
        document=one.text,
    )  # fmt: skip
