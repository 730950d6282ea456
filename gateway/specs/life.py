"""The life of a spec in the store: kept as a draft, published for ever, deprecated; meters are matched at once."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import structlog

from broker.errors import ContractError
from gateway.audit import audit_by_hand
from gateway.desired.change import Configuration
from gateway.desired.spec_catalogue import SpecCatalogue
from gateway.desired.store import published_digest
from gateway.events import record_event
from gateway.faults import Fault, Kind, Refusal, conflict, unknown
from gateway.jobs.queueing import queue_for
from gateway.models import ReasonQuery
from gateway.specs.change import match_anew, removed_meters
from gateway.specs.check import Verdict, examine
from gateway.specs.compare import MAX_FRAMES, Comparison, KeptFrame, compare
from gateway.specs.rollouts.models import PublishQuery
from gateway.specs.rollouts.steps import begin
from gateway.specs.store import (
    StoredSpec,
    deprecate_spec,
    frames_of_spec,
    job_of_spec,
    newest_spec_version,
    publish_spec_text,
    save_spec_draft,
    spec_detail,
)
from meters.specs.spec import Spec, spec_document, spec_from
from store.pool import Pool
from store.sql import Connection

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

    def __init__(self, pool: Pool, configuration: Configuration) -> None:
        self._pool = pool
        self._configuration = configuration
        self._examining = asyncio.Lock()

    async def validate(self, text: bytes) -> Verdict:
        """Judge a document; nothing is stored."""
        catalogue = await self._configuration.reload()
        return await self._examine(text, catalogue)

    async def save(self, text: bytes, who: ReasonQuery) -> Changed:
        """Keep a document as a draft; its goldens may still fail.

        Raises Refusal: invalid, or conflict where it is published.
        """
        verdict = await self.validate(text)
        spec = verdict.spec
        if spec is None:
            raise Refusal(Kind.INVALID, "the document is no spec", verdict.faults())
        async with self._configuration.changing() as change:
            if await _published(change.connection, spec):
                return Changed(spec.name, spec.version, changed=False, verdict=verdict)
            saved = await save_spec_draft(change.connection, *_fields(spec, text, who))
            if saved is not None:
                await record_event(change.connection, "spec_draft_saved", detail=_detail(spec.ref, who))
        log.info("spec_draft_saved", spec=spec.ref, author=who.author, changed=saved is not None)
        return Changed(spec.name, spec.version, changed=saved is not None, verdict=verdict)

    async def publish(self, text: bytes, who: PublishQuery, *, topic: str | None = None) -> Changed:
        """Publish a document for ever, for its canary's audience or for all; by hand on a topic, the audit says so.

        Raises Refusal: invalid where anything speaks against it, conflict where it is published with another content.
        """
        catalogue = await self._configuration.reload()
        verdict = await self._examine(text, catalogue)
        spec = verdict.spec
        if spec is None:
            raise Refusal(Kind.INVALID, "the document is no spec", verdict.faults())
        new = verdict.publishable and spec.ref not in catalogue.specs
        before = _before(catalogue, spec.name, spec.version) if new else None
        comparison = await self._run(before, spec) if before else None
        async with self._configuration.changing() as change:
            known = await _published(change.connection, spec)
            if not known:
                if change.catalogue.specs.keys() - catalogue.specs.keys() or not verdict.publishable:
                    verdict = await self._examine(text, change.catalogue)
                if not verdict.publishable:
                    raise Refusal(Kind.INVALID, f"{spec.ref} can't be published", verdict.faults())
                await publish_spec_text(change.connection, *_fields(spec, text, who))
            await begin(change.connection, spec.name, spec.version, who, known=known)
            devices = await match_anew(change, spec.match.protocol)
            job = None
            if not known:
                await queue_for(change.connection, await removed_meters(change, spec))
                job = await job_of_spec(change.connection, spec.ref)
                detail = {**_detail(spec.ref, who), "sha256": spec.digest, "devices_changed": len(devices)}
                if comparison is not None:
                    detail |= {"compared_frames": comparison.frames, "different_frames": comparison.different}
                await record_event(change.connection, "spec_published", detail=detail)
                if topic is not None:
                    await audit_by_hand(change.connection, topic, text)
        log.info("spec_published", spec=spec.ref, author=who.author, changed=not known, devices_changed=len(devices))
        return Changed(spec.name, spec.version, not known, devices, verdict, comparison, job)

    async def publish_draft(self, name: str, version: str, who: PublishQuery) -> Changed:
        """Publish the draft of this name and version; one that is published stays so. Raises Refusal."""
        stored = await self.find(name, version)
        return await self.publish(stored.source.encode(), who)

    async def deprecate(self, name: str, version: str, who: ReasonQuery) -> Changed:
        """Give a published spec to no meter anew. Raises Refusal: unknown, and conflict for a draft."""
        stored = await self.find(name, version)
        if stored.state == "draft":
            why = f"{stored.ref} is a draft: nobody can use it, so there is nothing to deprecate"
            raise conflict(why)
        async with self._configuration.changing() as change:
            entered = await deprecate_spec(change.connection, name, stored.version, who.author, who.reason)
            await match_anew(change)
            if entered is not None:
                await record_event(change.connection, "spec_deprecated", detail=_detail(stored.ref, who))
        log.info("spec_deprecated", spec=stored.ref, author=who.author, changed=entered is not None)
        return Changed(name, stored.version, changed=entered is not None)

    async def compare(self, name: str, version: str, against: int | None) -> Comparison:
        """Run a draft or published version and an older one over kept frames. Raises Refusal: unknown, invalid."""
        new = readable(await self.find(name, version), "version")
        if against is not None:
            return await self._run(readable(await self.find(name, str(against)), "against"), new)
        old = _before(await self._configuration.reload(), new.name, new.version)
        if old is None:
            fault = Fault("version", f"no version of {name} before {new.version} is published", "say `against`")
            raise Refusal(Kind.INVALID, f"there is nothing to compare {new.ref} with", [fault])
        return await self._run(old, new)

    def before(self, name: str, version: int) -> str | None:
        """The version that this one would be compared with, as `name@version`; None where there is none."""
        found = _before(self._configuration.catalogue, name, version)
        return found.ref if found is not None else None

    async def _run(self, old: Spec, new: Spec) -> Comparison:
        """In a thread: a thousand telegrams twice take a second or two."""
        found = await frames_of_spec(self._pool, new.name, str(new.match.protocol), MAX_FRAMES)
        frames = [KeptFrame(one.id, one.meter, one.at or one.received_at, one.data) for one in found]
        async with self._examining:
            return await asyncio.to_thread(compare, old, new, frames)

    async def find(self, name: str, version: str) -> StoredSpec:
        """The stored spec or draft. Raises Refusal: unknown."""
        found = None
        if version.isdecimal() and version.isascii() and len(version) <= MAX_VERSION_DIGITS:
            found = await spec_detail(self._pool, name, int(version))
        if found is None:
            raise unknown("spec", f"{name}@{version}")
        return found

    async def _examine(self, text: bytes, catalogue: SpecCatalogue) -> Verdict:
        async with self._examining:
            return await asyncio.to_thread(examine, text, catalogue.contenders())


def _before(catalogue: SpecCatalogue, name: str, version: int) -> Spec | None:
    """The newest published version of a name before this one that can be read."""
    older = (
        one.spec
        for ref, one in catalogue.specs.items()
        if one.name == name and one.version < version and ref not in catalogue.withdrawn
    )
    return max((one for one in older if one is not None), key=lambda one: one.version, default=None)


def readable(stored: StoredSpec, field: str) -> Spec:
    """The spec itself. Raises Refusal: invalid where this version of Wattline can't read it."""
    try:
        return spec_from(stored.document, origin=stored.ref)
    except ContractError as error:
        fault = Fault(field, f"{error.field}: {error.reason}", "this version of Wattline can't read it")
        raise Refusal(Kind.INVALID, f"{stored.ref} can't be read", [fault]) from error


async def _published(connection: Connection, spec: Spec) -> bool:
    """Whether just this is published already. Raises Refusal: conflict where its name and version are taken."""
    sha256 = await published_digest(connection, spec.name, spec.version)
    if sha256 is None or sha256 == spec.digest:
        return sha256 is not None
    newest = await newest_spec_version(connection, spec.name)
    fault = Fault("version", f"{spec.ref} is published and never changes", f"version: {(newest or spec.version) + 1}")
    raise conflict(f"{spec.ref} is published with another content", [fault])


def _fields(
    spec: Spec, text: bytes, who: ReasonQuery
) -> tuple[str, int, dict[str, Any], str, str, bool, str, str | None]:
    document = spec_document(spec)
    return spec.name, spec.version, document, text.decode(), spec.digest, spec.generic, who.author, who.reason


def _detail(ref: str, who: ReasonQuery) -> dict[str, Any]:
    return {"spec": ref, "author": who.author, "reason": who.reason}
