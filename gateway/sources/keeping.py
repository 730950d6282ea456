"""What engineers do with sources: make them, say how they prove themselves, and what their payloads mean."""

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from broker.errors import ContractError, PermanentError
from gateway.events import record_event
from gateway.faults import Fault, Kind, Refusal, conflict, invalid, refusal_of, unknown
from gateway.fleet.store.devices import ensure_device
from gateway.keys.master import MasterFile
from gateway.keys.store import put_secret
from gateway.sources.store import (
    HeldSource,
    KeptPayload,
    MappingVersion,
    PayloadRow,
    PayloadState,
    SourceKind,
    SourceState,
    add_mapping,
    add_source,
    drop_payloads,
    enable_source,
    held_source,
    kept_payload,
    list_payloads,
    mapping_versions,
    put_settings,
    retry_payloads,
    source_states,
)
from meters.mappings.document import Mapping
from meters.mappings.load import load_mapping
from store.pool import Pool
from store.source_settings import SourceSecret, SourceSettings, device_of, new_secret, open_secret, seal_secret
from store.sql import Connection

log = structlog.get_logger()
MOST_SOURCES: Final = 200
MOST_AT_ONCE: Final = 10_000
"""Payloads that are retried or dropped by one request; the answer says how many, and whoever asks asks again."""
MOST_VERSIONS: Final = 100


@dataclass(frozen=True, slots=True)
class NewMapping:
    """A mapping that was taken; `known` says that it was in force already."""

    version: int
    goldens: int
    known: bool


class Sources:
    """All sources. A secret is shown to nobody but to who sets it, once."""

    def __init__(self, pool: Pool, master: MasterFile) -> None:
        self._pool = pool
        self._master = master

    async def all(self) -> list[SourceState]:
        """Every source with how it stands."""
        return await source_states(self._pool, None)

    async def show(self, name: str) -> SourceState:
        """One of them. Raises Refusal: unknown."""
        found = await source_states(self._pool, name)
        if not found:
            raise unknown("source", name)
        return found[0]

    async def create(self, name: str, kind: SourceKind, settings: SourceSettings, author: str) -> SourceState:
        """Make a source, with the device that stands for it. Raises Refusal: conflict."""
        async with self._pool.acquire() as connection, connection.transaction():
            if len(await source_states(connection, None)) >= MOST_SOURCES:
                raise conflict(f"there are {MOST_SOURCES} sources already, as many as there may be")
            device_id = await ensure_device(connection, device_of(name))
            document = settings.model_dump(mode="json")
            if await add_source(connection, name, kind, device_id, document, author) is None:
                raise conflict(f"there is a source {name!r} already; `wattline source show {name}` shows it")
            await _tell(connection, "source_created", name, author, kind=kind)
        log.info("source_created", source=name, kind=kind, author=author)
        return await self.show(name)

    async def set(self, name: str, settings: SourceSettings, author: str) -> SourceState:
        """Replace a source's settings. Raises Refusal: unknown."""
        async with self._pool.acquire() as connection, connection.transaction():
            await _held(connection, name)
            await put_settings(connection, name, settings.model_dump(mode="json"))
            await _tell(connection, "source_changed", name, author, auth=settings.auth)
        return await self.show(name)

    async def enable(self, name: str, enabled: bool, author: str) -> SourceState:
        """Turn a source on or off: what an off one sends is refused, and what waits, waits. Raises Refusal: unknown."""
        async with self._pool.acquire() as connection, connection.transaction():
            await _held(connection, name)
            await enable_source(connection, name, enabled)
            await _tell(connection, "source_enabled" if enabled else "source_disabled", name, author)
        return await self.show(name)

    async def secret(self, name: str, given: str, grace_s: float, author: str) -> str:
        """Set a source's secret, or make one where none is given; the one before is good for a while longer.

        It is told here and never again. Raises Refusal: unknown, conflict without a master key.
        """
        master, now = self._master.load(), datetime.now(UTC)
        secret = given or new_secret()
        async with self._pool.acquire() as connection, connection.transaction():
            held = await _held(connection, name)
            fresh = SourceSecret(secret)
            if grace_s and held.secret is not None and held.master is not None:
                try:
                    before = open_secret(master, name, held.master, held.secret)
                except PermanentError as error:
                    raise conflict(f"{error}; set the secret with a grace of 0") from error
                fresh = before.changed(secret, now, timedelta(seconds=grace_s))
            await put_secret(connection, name, seal_secret(master, name, fresh), master.newest)
            await _tell(connection, "source_secret_set", name, author, grace_s=grace_s)
        log.info("source_secret_set", source=name, author=author)
        return secret

    async def map(self, name: str, text: str, author: str, reason: str | None) -> NewMapping:
        """Give a source another version of its mapping, in force at once. Raises Refusal: unknown, invalid, stale."""
        # beside the loop: its goldens may take seconds
        mapping = await asyncio.to_thread(read_mapping, name, text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        async with self._pool.acquire() as connection, connection.transaction():
            held = await _held(connection, name)
            if held.wants_topic and not mapping.topic:
                reason = f"it is missing, and {name} has no setting topics: the bridge would subscribe to nothing"
                raise invalid(
                    "topic", reason, """write topic: foreign/+, or set 'topics=["foreign/+"]' of the source"""
                )
            if held.version is not None:
                (present,) = await mapping_versions(connection, name, held.version, 1)
                if present.sha256 == digest:
                    return NewMapping(held.version, len(mapping.goldens), known=True)
            version = (held.version or 0) + 1
            if mapping.version not in (None, version):
                fix = f"leave version out, or write version: {version}"
                fault = Fault("version", f"{mapping.version} is not the next one, which is {version}", fix)
                raise Refusal(Kind.STALE, str(fault), [fault])
            await add_mapping(connection, name, version, text, digest, author, reason)
            await _tell(connection, "source_mapped", name, author, version=version)
        log.info("source_mapped", source=name, version=version, author=author)
        return NewMapping(version, len(mapping.goldens), known=False)

    async def versions(self, name: str) -> list[MappingVersion]:
        """The newest versions of a source's mapping. Raises Refusal: unknown."""
        await self.show(name)
        return await mapping_versions(self._pool, name, None, MOST_VERSIONS)

    async def mapping(self, name: str, version: int | None) -> MappingVersion:
        """One version, the one in force where none is named. Raises Refusal: unknown."""
        present = await self.show(name)
        wanted = version if version is not None else present.version
        found = await mapping_versions(self._pool, name, wanted, 1) if wanted is not None else []
        if not found:
            raise unknown("mapping", f"{name}@{version}" if version is not None else name)
        return found[0]

    async def payloads(self, name: str, state: PayloadState | None, before: int, most: int) -> list[PayloadRow]:
        """Payloads of a source, the newest first. Raises Refusal: unknown."""
        await self.show(name)
        return await list_payloads(self._pool, name, state, before, most)

    async def payload(self, name: str, number: int) -> KeptPayload:
        """One of them with its body. Raises Refusal: unknown."""
        found = await kept_payload(self._pool, name, number)
        if found is None:
            raise unknown("payload", str(number))
        return found

    async def retry(self, name: str, number: int | None, author: str) -> int:
        """Have payloads tried again; how many. Raises Refusal: unknown."""
        async with self._pool.acquire() as connection, connection.transaction():
            await _held(connection, name)
            count = await retry_payloads(connection, name, number, MOST_AT_ONCE)
            if number is not None and not count:
                raise unknown("payload", str(number))
        log.info("payloads_retried", source=name, payloads=count, author=author)
        return count

    async def drop(self, name: str, number: int | None, author: str) -> int:
        """Forget unmapped payloads; how many. Raises Refusal: unknown."""
        async with self._pool.acquire() as connection, connection.transaction():
            await _held(connection, name)
            count = await drop_payloads(connection, name, number, MOST_AT_ONCE)
            if number is not None and not count:
                raise unknown("payload", str(number))
            if count:
                await _tell(connection, "payloads_deleted", name, author, payloads=count)
        return count


def read_mapping(name: str, text: str) -> Mapping:
    """A mapping that may be this source's, its goldens right; it may take seconds. Raises Refusal: invalid."""
    try:
        mapping = load_mapping(text, origin="mapping")
    except ContractError as error:
        raise refusal_of(error) from error
    if mapping.source not in (None, name):
        raise invalid("source", f"it is {mapping.source}'s", f"leave it out, or write source: {name}")
    return mapping


async def _held(connection: Connection, name: str) -> HeldSource:
    found = await held_source(connection, name)
    if found is None:
        raise unknown("source", name)
    return found


async def _tell(connection: Connection, event: str, name: str, author: str, **detail: object) -> None:
    await record_event(connection, event, device=device_of(name), detail={"source": name, "author": author, **detail})
