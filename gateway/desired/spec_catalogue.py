"""Published specs: the shipped catalogue goes into the store once, and an immutable snapshot serves matching."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import structlog

from broker.contract.messages import Desired, SpecMessage
from broker.errors import ContractError
from gateway.desired.store import (
    all_specs,
    catalogue_revision,
    deprecated_specs,
    publish_specs,
    published_digests,
    rollout_states,
)
from gateway.events import record_event
from gateway.fleet.audience import Audience, parse_audience
from gateway.metrics import Metrics
from meters.specs.catalogue import shipped
from meters.specs.spec import Spec, digest, spec_document, spec_from
from store.sql import Connection

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
class SpecCatalogue:
    """A snapshot of all published specs by `name@version`, as they stood at `revision` of the store.

    Those in `deprecated` are given to no meter anew, those in `withdrawn` read no meter at all, and those in
    `canaries` are for the devices of their audience only.
    """

    specs: dict[str, Published]
    deprecated: frozenset[str] = frozenset()
    withdrawn: frozenset[str] = frozenset()
    canaries: Mapping[str, Audience] = field(default_factory=dict)
    revision: int = 0

    def candidates(self, labels: Mapping[str, str] | None = None) -> tuple[Spec, ...]:
        """What a meter without a pin may be given: the newest readable version of each spec that is open to it.

        `labels` are those of the meter's device, facts included; without them only what is open to all is.
        """
        chosen = self._open(labels or {})
        if chosen not in self._offers:
            self._offers[chosen] = self._offer(chosen)
        return self._offers[chosen]

    def _offer(self, chosen: frozenset[str]) -> tuple[Spec, ...]:
        newest: dict[str, Spec] = {}
        for ref, published in self.specs.items():
            closed = ref in self.deprecated or ref in self.withdrawn or (ref in self.canaries and ref not in chosen)
            spec = None if closed else published.spec
            if spec is not None and (spec.name not in newest or newest[spec.name].version < spec.version):
                newest[spec.name] = spec
        return tuple(newest.values())

    def contenders(self) -> tuple[Spec, ...]:
        """What some device may be given: the candidates, and each canary that nothing speaks against."""
        closed = self.deprecated | self.withdrawn
        first = (self.specs[ref].spec for ref in self.canaries if ref not in closed)
        return (*self.candidates(), *(spec for spec in first if spec is not None))

    def kept(self, desired: Desired | None, before: Mapping[str, str] | None = None) -> dict[str, Spec]:
        """The deprecated specs in use, by meter: each stays in the running for its meter until another beats it.

        `before` names what meters had before a canary: they fall back to it though it be deprecated.
        """
        if desired is None or not self.deprecated:
            return {}
        kept: dict[str, Spec] = {}
        for key, config in desired.meters.items():
            for ref in (config.spec, (before or {}).get(key)):
                published = self.specs.get(ref) if ref in self.deprecated - self.withdrawn else None
                if published is not None and published.spec is not None:
                    kept.setdefault(key, published.spec)
        return kept

    @cached_property
    def _offers(self) -> dict[frozenset[str], tuple[Spec, ...]]:
        """Candidates by the canaries that are open: a fleet has few different ones."""
        return {}

    def _open(self, labels: Mapping[str, str]) -> frozenset[str]:
        """The canaries whose audience a device with these labels belongs to."""
        return frozenset(ref for ref, audience in self.canaries.items() if labels and audience.holds(labels, ref))


async def refreshed(connection: Connection, catalogue: SpecCatalogue) -> SpecCatalogue:
    """The catalogue as the store has it now; specs that it has are not read again, nor is anything without a change.

    One that this version of Wattline can't read is kept but matches nothing.
    """
    # before the rest: what changes meanwhile raises it, and is then read once more
    revision = await catalogue_revision(connection)
    if revision == catalogue.revision:
        return catalogue
    specs = dict(catalogue.specs)
    for row in await all_specs(connection, list(specs)):
        ref = f"{row.name}@{row.version}"
        # to read the whole catalogue anew would be most of a gateway's start
        spec = shipped(ref, row.sha256) or _read(ref, row.document)
        specs[ref] = Published(row.name, row.version, row.sha256, row.document, spec)
    deprecated = frozenset(await deprecated_specs(connection))
    rollouts = await rollout_states(connection)
    withdrawn = frozenset(one.ref for one in rollouts if one.state == "withdrawn")
    canaries = {one.ref: parse_audience(one.audience) for one in rollouts if one.state == "canary"}
    # a spec that came between these statements is known once its own revision is read
    canaries = {ref: audience for ref, audience in canaries.items() if ref in specs}
    return SpecCatalogue(specs, deprecated.intersection(specs), withdrawn, canaries, revision)


def _read(ref: str, document: dict[str, Any]) -> Spec | None:
    try:
        return spec_from(document, origin=ref)
    except ContractError as error:
        log.warning("spec_unreadable", spec=ref, field=error.field, reason=error.reason)
        return None


async def publish_catalogue(connection: Connection, catalogue: Iterable[Spec], metrics: Metrics) -> int:
    """Enter shipped specs that the store does not have; returns how many.

    A published spec never changes: a shipped one of the same version that differs is refused, with an event.
    """
    known = {(one.name, one.version): one.sha256 for one in await published_digests(connection)}
    added = []
    for spec in catalogue:
        stored, sha256 = known.get((spec.name, spec.version)), digest(spec)
        if stored is None:
            document = spec_document(spec)
            source = json.dumps(document)
            added.append((spec.name, spec.version, document, source, sha256, spec.generic, "wattline"))
        elif stored != sha256:
            metrics.spec_conflicts.inc()
            log.error(
                "spec_conflict", spec=spec.ref, published=stored, shipped=sha256, fix="ship the change as a new version"
            )
            detail = {"spec": spec.ref, "published": stored, "shipped": sha256}
            await record_event(connection, "spec_conflict", severity="error", detail=detail)
    await publish_specs(connection, added)
    return len(added)
