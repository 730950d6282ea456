"""The life of a spec in the store: kept as a draft, published for ever, deprecated; meters are matched at once."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final

import structlog

from broker.errors import ContractError
from gateway.database import Connection
from gateway.desired import configuring
from gateway.events import record_event
from gateway.jobs import queue_for
from gateway.layers import Problem
from gateway.problem import ApiError, not_found
from gateway.publisher import Publisher
from gateway.rollout_models import PublishQuery
from gateway.rollout_store import begin
from gateway.shelf import Shelf, refreshed
from gateway.spec_change import changing
from gateway.spec_check import Verdict, examine
from gateway.spec_compare import MAX_FRAMES, Comparison, KeptFrame, compare
from gateway.spec_models import LifeQuery
from gateway.sql import load
from meters.spec import Spec, spec_document, spec_from
from store.pool import Pool

log = structlog.get_logger()
MAX_VERSION_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Changed:
    """A spec after a change; `devices` got a new desired configuration by it."""

    name: str
    version: int
    changed: bool
    devices: tuple[str, ...] = ()
    verdict: Verdict | None = None
    comparison: Comparison | None = None
    job: int | None = None
    """The job that decodes the kept frames of its meters."""


class SpecLife:
    """Each change is one transaction under the configuration's lock, with its event; doing it again changes nothing.

    Goldens run in a thread, one document at a time, so that messages and other requests are served meanwhile.
    """

    def __init__(self, pool: Pool, publisher: Publisher) -> None:
        self._pool = pool
        self._publisher = publisher
        self._examining = asyncio.Lock()

    async def validate(self, text: bytes) -> Verdict:
        """Judge a document; nothing is stored."""
        async with self._pool.acquire() as connection:
            shelf = await refreshed(connection, self._publisher.shelf)
        return await self._examine(text, shelf)

    async def save(self, text: bytes, who: LifeQuery) -> Changed:
        """Keep a document as a draft; its goldens may still fail. Raises ApiError 422, or 409 where it is published."""
        verdict = await self.validate(text)
        spec = verdict.spec
        if spec is None:
            raise ApiError(422, "the document is no spec", verdict.faults())
        async with configuring(self._pool) as connection:
            if await _published(connection, spec):
                return Changed(spec.name, spec.version, changed=False, verdict=verdict)
            saved = await connection.fetchval(load("save_spec_draft"), *_row(spec, text, who))
            if saved is not None:
                await record_event(connection, "spec_draft_saved", detail=_detail(spec.ref, who))
        log.info("spec_draft_saved", spec=spec.ref, author=who.author, changed=saved is not None)
        return Changed(spec.name, spec.version, changed=saved is not None, verdict=verdict)

    async def publish(self, text: bytes, who: PublishQuery) -> Changed:
        """Publish a document for ever, for its canary's audience or for all.

        Raises ApiError 422 where anything speaks against it, 409 where it is published with another content.
        """
        async with self._pool.acquire() as connection:
            shelf = await refreshed(connection, self._publisher.shelf)
        verdict = await self._examine(text, shelf)
        spec = verdict.spec
        if spec is None:
            raise ApiError(422, "the document is no spec", verdict.faults())
        before = (
            _before(shelf, spec.name, spec.version) if verdict.publishable and spec.ref not in shelf.specs else None
        )
        comparison = await self._run(before, spec) if before else None
        async with changing(self._pool, self._publisher) as change:
            known = await _published(change.connection, spec)
            if not known:
                if change.shelf.specs.keys() - shelf.specs.keys() or not verdict.publishable:
                    verdict = await self._examine(text, change.shelf)
                if not verdict.publishable:
                    raise ApiError(422, f"{spec.ref} can't be published", verdict.faults())
                await change.connection.execute(load("publish_spec_text"), *_row(spec, text, who))
            await begin(change.connection, spec.name, spec.version, who, known=known)
            devices = await change.settle(spec.match.protocol)
            job = None
            if not known:
                await queue_for(change.connection, await change.gone(spec))
                job = await change.connection.fetchval(load("job_of_spec"), spec.ref)
                detail = {**_detail(spec.ref, who), "sha256": spec.digest, "devices_changed": len(devices)}
                if comparison is not None:
                    detail |= {"compared_frames": comparison.frames, "different_frames": comparison.different}
                await record_event(change.connection, "spec_published", detail=detail)
        log.info("spec_published", spec=spec.ref, author=who.author, changed=not known, devices_changed=len(devices))
        return Changed(spec.name, spec.version, not known, devices, verdict, comparison, job)

    async def publish_draft(self, name: str, version: str, who: PublishQuery) -> Changed:
        """Publish the draft of this name and version; one that is published stays so. Raises ApiError."""
        row = await self.row(name, version)
        return await self.publish(row["source"].encode(), who)

    async def deprecate(self, name: str, version: str, who: LifeQuery) -> Changed:
        """Give a published spec to no meter anew. Raises ApiError 404, and 409 for a draft."""
        row = await self.row(name, version)
        ref = f"{name}@{row['version']}"
        if row["state"] == "draft":
            raise ApiError(409, f"{ref} is a draft: nobody can use it, so there is nothing to deprecate")
        async with changing(self._pool, self._publisher) as change:
            entered = await change.connection.fetchval(
                load("deprecate_spec"), name, row["version"], who.author, who.reason
            )
            await change.settle()
            if entered is not None:
                await record_event(change.connection, "spec_deprecated", detail=_detail(ref, who))
        log.info("spec_deprecated", spec=ref, author=who.author, changed=entered is not None)
        return Changed(name, row["version"], changed=entered is not None)

    async def compare(self, name: str, version: str, against: int | None) -> Comparison:
        """Run a draft or published version and an older one over kept frames. Raises ApiError 404, 422."""
        row = await self.row(name, version)
        new = readable(row, "version")
        if against is not None:
            return await self._run(readable(await self.row(name, str(against)), "against"), new)
        async with self._pool.acquire() as connection:
            old = _before(await refreshed(connection, self._publisher.shelf), new.name, new.version)
        if old is None:
            fault = Problem("version", f"no version of {name} before {new.version} is published", "say `against`")
            raise ApiError(422, f"there is nothing to compare {new.ref} with", [fault])
        return await self._run(old, new)

    def before(self, name: str, version: int) -> str | None:
        """The version that this one would be compared with, as `name@version`; None where there is none."""
        found = _before(self._publisher.shelf, name, version)
        return found.ref if found is not None else None

    async def _run(self, old: Spec, new: Spec) -> Comparison:
        """In a thread: a thousand telegrams twice take a second or two."""
        rows = await self._pool.fetch(load("frames_of_spec"), new.name, str(new.match.protocol), MAX_FRAMES)
        frames = [KeptFrame(row["id"], row["meter"], row["at"] or row["received_at"], row["data"]) for row in rows]
        async with self._examining:
            return await asyncio.to_thread(compare, old, new, frames)

    async def row(self, name: str, version: str) -> Any:
        """The stored spec or draft, a row of spec_detail.sql. Raises ApiError 404."""
        row = None
        if version.isdecimal() and version.isascii() and len(version) <= MAX_VERSION_DIGITS:
            row = await self._pool.fetchrow(load("spec_detail"), name, int(version))
        if row is None:
            raise not_found("spec", f"{name}@{version}")
        return row

    async def _examine(self, text: bytes, shelf: Shelf) -> Verdict:
        async with self._examining:
            return await asyncio.to_thread(examine, text, shelf.contenders())


def _before(shelf: Shelf, name: str, version: int) -> Spec | None:
    """The newest published version of a name before this one that can be read."""
    older = (
        one.spec
        for ref, one in shelf.specs.items()
        if one.name == name and one.version < version and ref not in shelf.withdrawn
    )
    return max((one for one in older if one is not None), key=lambda one: one.version, default=None)


def readable(row: Any, field: str) -> Spec:
    """The spec in a row of spec_detail.sql. Raises ApiError 422 where this version of Wattline can't read it."""
    try:
        return spec_from(json.loads(row["document"]), origin=f"{row['spec']}@{row['version']}")
    except ContractError as error:
        fault = Problem(field, f"{error.field}: {error.reason}", "this version of Wattline can't read it")
        raise ApiError(422, f"{row['spec']}@{row['version']} can't be read", [fault]) from error


async def _published(connection: Connection, spec: Spec) -> bool:
    """Whether just this is published already. Raises ApiError 409 where its name and version are taken."""
    sha256 = await connection.fetchval(
        "SELECT sha256 FROM spec WHERE name = $1 AND version = $2", spec.name, spec.version
    )
    if sha256 is None or sha256 == spec.digest:
        return sha256 is not None
    newest: int = await connection.fetchval("SELECT max(version) FROM spec WHERE name = $1", spec.name)
    fault = Problem("version", f"{spec.ref} is published and never changes", f"version: {newest + 1}")
    raise ApiError(409, f"{spec.ref} is published with another content", [fault])


def _row(spec: Spec, text: bytes, who: LifeQuery) -> tuple[Any, ...]:
    document = json.dumps(spec_document(spec))
    return spec.name, spec.version, document, text.decode(), spec.digest, spec.generic, who.author, who.reason


def _detail(ref: str, who: LifeQuery) -> dict[str, Any]:
    return {"spec": ref, "author": who.author, "reason": who.reason}
