"""Sources that the bridge proposes: an engineer takes or refuses them."""

import hashlib
from typing import Final

import structlog
from pydantic import ValidationError

from broker.plain_errors import plain_reason
from gateway.events import record_event
from gateway.faults import conflict, invalid, unknown
from gateway.fleet.store.devices import ensure_device
from gateway.sources.keeping import MOST_SOURCES, read_mapping
from gateway.sources.store import (
    Proposal,
    ProposalState,
    add_mapping,
    add_source,
    decide_proposal,
    held_proposal,
    list_proposals,
    source_states,
)
from store.pool import Pool
from store.source_settings import SourceSettings, device_of
from store.sql import Connection

log = structlog.get_logger()
MOST_SHOWN: Final = 200
"""Each with its mapping and what is left out, which whoever announces may make a hundred kilobytes."""


class Proposals:
    """All proposals; whoever takes one makes a source of it, with its mapping, at once and as a whole."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def all(self, state: ProposalState | None) -> list[Proposal]:
        """Proposals, or those in a state, the newest first, at most MOST_SHOWN."""
        return await list_proposals(self._pool, state, None, MOST_SHOWN)

    async def show(self, number: int) -> Proposal:
        """One of them. Raises Refusal: unknown."""
        found = await list_proposals(self._pool, None, number, 1)
        if not found:
            raise unknown("proposal", str(number))
        return found[0]

    async def accept(self, number: int, name: str | None, author: str) -> Proposal:
        """Make the source that is proposed, under another name if one is given. Raises Refusal: unknown, conflict."""
        async with self._pool.acquire() as connection, connection.transaction():
            proposal = await _open(connection, number)
            wanted = name or proposal.name
            read_mapping(wanted, proposal.document)
            settings = _settings(proposal)
            if len(await source_states(connection, None)) >= MOST_SOURCES:
                raise conflict(f"there are {MOST_SOURCES} sources already, as many as there may be")
            device_id = await ensure_device(connection, device_of(wanted))
            document = settings.model_dump(mode="json")
            if await add_source(connection, wanted, "mqtt", device_id, document, author) is None:
                raise conflict(f"there is a source {wanted!r} already; give this one another name")
            digest = hashlib.sha256(proposal.document.encode()).hexdigest()
            await add_mapping(connection, wanted, 1, proposal.document, digest, author, "proposed by the bridge")
            await decide_proposal(connection, number, "accepted", wanted, author)
            detail = {"source": wanted, "author": author, "kind": "mqtt", "proposal": number}
            await record_event(connection, "source_created", device=device_of(wanted), detail=detail)
        log.info("proposal_accepted", proposal=number, source=wanted, author=author)
        return await self.show(number)

    async def refuse(self, number: int, author: str) -> Proposal:
        """Have it proposed no more. Raises Refusal: unknown, conflict."""
        async with self._pool.acquire() as connection, connection.transaction():
            await _open(connection, number)
            await decide_proposal(connection, number, "refused", None, author)
        log.info("proposal_refused", proposal=number, author=author)
        return await self.show(number)


async def _open(connection: Connection, number: int) -> Proposal:
    found = await held_proposal(connection, number)
    if found is None:
        raise unknown("proposal", str(number))
    if found.state == "accepted":
        raise conflict(f"it was accepted already, as source {found.source!r}")
    return found


def _settings(proposal: Proposal) -> SourceSettings:
    try:
        return SourceSettings(broker=proposal.broker, topics=tuple(proposal.topics))
    except ValidationError as error:
        raise invalid("topics", plain_reason(dict(error.errors()[0])), "make the source by hand") from error
