"""Published specs: the shipped catalogue goes into the store once, and an immutable snapshot serves matching."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import structlog

from broker.errors import ContractError
from broker.messages import Desired, SpecMessage
from gateway.database import Connection
from gateway.events import record_event
from gateway.metrics import Metrics
from gateway.sql import load
from meters.spec import Spec, digest, spec_document, spec_from

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Published:
    """A published spec as the store keeps it; `spec` is None where this version of Wattline can't read it."""

    name: str
    version: int
    sha256: str
    document: dict[str, Any]
    spec: Spec | None

    def message(self) -> SpecMessage:
        """What is published for the devices."""
        return SpecMessage(spec=self.name, version=self.version, sha256=self.sha256, document=self.document)


@dataclass(frozen=True)
class Shelf:
    """A snapshot of all published specs by `name@version`; those in `deprecated` are given to no meter anew."""

    specs: dict[str, Published]
    deprecated: frozenset[str] = frozenset()

    def candidates(self) -> tuple[Spec, ...]:
        """What a meter without a pin may be given: the newest readable version of each spec that is not deprecated."""
        newest: dict[str, Spec] = {}
        for ref, published in self.specs.items():
            spec = None if ref in self.deprecated else published.spec
            if spec is not None and (spec.name not in newest or newest[spec.name].version < spec.version):
                newest[spec.name] = spec
        return tuple(newest.values())

    def kept(self, desired: Desired | None) -> dict[str, Spec]:
        """The deprecated specs in use, by meter: each stays in the running for its meter until another beats it."""
        kept = {}
        for key, config in (desired.meters if desired and self.deprecated else {}).items():
            if config.spec in self.deprecated and (spec := self.specs[config.spec].spec) is not None:
                kept[key] = spec
        return kept


async def load_shelf(connection: Connection) -> Shelf:
    """Read all published specs; one that this version of Wattline can't read is kept but matches nothing."""
    return await refreshed(connection, Shelf({}))


async def refreshed(connection: Connection, shelf: Shelf) -> Shelf:
    """The shelf with what was published or deprecated since it was read; specs that it has are not read again."""
    specs = dict(shelf.specs)
    for row in await connection.fetch(load("all_specs"), list(specs)):
        ref = f"{row['name']}@{row['version']}"
        document = json.loads(row["document"])
        try:
            spec = spec_from(document, origin=ref)
        except ContractError as error:
            log.warning("spec_unreadable", spec=ref, field=error.field, reason=error.reason)
            spec = None
        specs[ref] = Published(row["name"], row["version"], row["sha256"], document, spec)
    deprecated = frozenset(row["ref"] for row in await connection.fetch(load("deprecated_specs")))
    return Shelf(specs, deprecated)


async def publish_catalogue(connection: Connection, catalogue: Iterable[Spec], metrics: Metrics) -> int:
    """Enter shipped specs that the store does not have; returns how many.

    A published spec never changes: a shipped one of the same version that differs is refused and told of.
    """
    added = 0
    for spec in catalogue:
        document = json.dumps(spec_document(spec))
        sha256 = digest(spec)
        entered = await connection.fetchval(
            load("publish_spec"), spec.name, spec.version, document, document, sha256, spec.generic, "wattline"
        )
        if entered is not None:
            added += 1
            continue
        stored = await connection.fetchval(
            "SELECT sha256 FROM spec WHERE name = $1 AND version = $2", spec.name, spec.version
        )
        if stored != sha256:
            metrics.spec_conflicts.inc()
            log.error(
                "spec_conflict", spec=spec.ref, published=stored, shipped=sha256, fix="ship the change as a new version"
            )
            detail = {"spec": spec.ref, "published": stored, "shipped": sha256}
            await record_event(connection, "spec_conflict", severity="error", detail=detail)
    return added
