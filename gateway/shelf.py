"""Published specs: the shipped catalogue goes into the store once, and an immutable snapshot serves matching."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import structlog

from broker.errors import ContractError
from broker.messages import SpecMessage
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
    """A snapshot of all published specs by `name@version`."""

    specs: dict[str, Published]

    def candidates(self) -> tuple[Spec, ...]:
        """What a meter without a pin may be given: the newest readable version of each spec."""
        newest: dict[str, Spec] = {}
        for published in self.specs.values():
            spec = published.spec
            if spec is not None and (spec.name not in newest or newest[spec.name].version < spec.version):
                newest[spec.name] = spec
        return tuple(newest.values())


async def load_shelf(connection: Connection) -> Shelf:
    """Read all published specs; one that this version of Wattline can't read is kept but matches nothing."""
    specs = {}
    for row in await connection.fetch(load("all_specs")):
        ref = f"{row['name']}@{row['version']}"
        document = json.loads(row["document"])
        try:
            spec = spec_from(document, origin=ref)
        except ContractError as error:
            log.warning("spec_unreadable", spec=ref, field=error.field, reason=error.reason)
            spec = None
        specs[ref] = Published(row["name"], row["version"], row["sha256"], document, spec)
    return Shelf(specs)


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
