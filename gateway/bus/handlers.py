"""What each message to the config service does to the store; nothing here acknowledges or waits for the broker."""

from datetime import UTC, datetime

import structlog

from broker.contract.identity import is_reserved
from broker.contract.messages import Desired, Registration, Reply, Reported, SpecMessage
from broker.contract.topics import Address, Kind, Topics
from broker.errors import ContractError
from gateway.audit import audit_by_hand
from gateway.bus.configs_by_hand import adopt, consider
from gateway.bus.publisher import Publisher
from gateway.bus.retained import Retained
from gateway.bus.specs_by_hand import SpecsByHand
from gateway.bus.store import (
    DeviceDesired,
    desired_marks,
    desired_spec_refs,
    find_desired,
    is_reported,
    store_report,
    was_desired,
)
from gateway.commands.orders import Commands
from gateway.desired.change import Configuration
from gateway.desired.labelling import label_site
from gateway.desired.state import load_states
from gateway.events import is_first, record_event, storable
from gateway.fleet.registration import Registered, register
from gateway.fleet.store.devices import ensure_device
from gateway.meter_claims.run import MeterClaims
from gateway.metrics import Metrics
from gateway.quotas import Quotas
from gateway.signals import Signals
from store.pool import Pool
from store.quotas import Quota

log = structlog.get_logger()
OVERTAKEN_S = 60.0
"""How long an overtaken configuration of ours may still come from another gateway."""


class _OverQuotaError(Exception):
    """A device's registrations have changed its configuration as often as they may today."""


class Handlers:
    """One method a kind of message; each commits before it returns, and doing it again changes nothing.

    They raise ContractError for a message that must go to quarantine, and asyncpg's errors.
    """

    def __init__(
        self,
        pool: Pool,
        topics: Topics,
        configuration: Configuration,
        publisher: Publisher,
        retained: "Retained",
        signals: Signals,
        metrics: Metrics,
        by_hand: SpecsByHand,
        commands: Commands,
        claims: MeterClaims,
        quotas: Quotas,
    ) -> None:
        self._pool = pool
        self._topics = topics
        self._configuration = configuration
        self._publisher = publisher
        self._retained = retained
        self._signals = signals
        self._metrics = metrics
        self._by_hand = by_hand
        self._commands = commands
        self._claims = claims
        self._quotas = quotas

    async def registration(self, address: Address, payload: bytes) -> str:
        """Enter a registration; the device's configuration follows where it changes anything."""
        if is_reserved(address.device):
            raise ContractError(
                f"{address.device!r} is a role's user name", field="device", fix="name the device otherwise"
            )
        registration = Registration.parse(storable(payload))
        try:
            outcome, changed = await self._register(address.device, registration)
        except _OverQuotaError:
            self._quotas.tally.note(address.device, Quota.CONFIGURATIONS, cut=1, size=len(payload))
            return "cut"
        if outcome.claimed or outcome.removed:
            self._metrics.claims.labels("shown").inc(len(outcome.claimed))
            self._claims.wake()
        log.info(
            "registration_stored",
            device=address.device,
            meters=len(registration.meters),
            first=outcome.first,
            installed=outcome.installed,
            removed=outcome.removed,
            claimed=outcome.claimed,
            duplicated=outcome.duplicated,
            config_changed=bool(changed),
        )
        await self._commands.connected(address.device)
        return "stored"

    async def _register(self, device: str, registration: Registration) -> tuple[Registered, list[str]]:
        """What a registration did, and whose configuration changed. Raises _OverQuotaError, and nothing was done."""
        async with self._configuration.changing() as change:
            outcome = await register(change.connection, device, registration, datetime.now(UTC), self._quotas)
            labelled = await label_site(change, device)
            changed = sorted({*labelled, *await change.rebuild(sorted(outcome.touched))})
            if device in changed and not await self._quotas.try_one(change.connection, device, Quota.CONFIGURATIONS):
                raise _OverQuotaError
        return outcome, changed

    async def reported(self, address: Address, payload: bytes) -> str:
        """Enter what a device reports; one that is ahead of the store (restored from a backup) is overtaken."""
        if not payload:
            return "ignored"
        report = Reported.parse(storable(payload))
        if await is_reported(self._pool, address.device, report):
            return "repeated"
        async with self._configuration.changing() as change:
            connection = change.connection
            device_id = await ensure_device(connection, address.device)
            await store_report(connection, device_id, report)
            states = await load_states(connection, [device_id])
            ahead = any(state.desired is not None and state.floor > state.desired.version for state in states)
            if ahead:
                await change.rebuild([device_id])
        self._signals.notify(address.device)
        log.info("report_stored", device=address.device, version=report.version, state=report.state)
        return "stored"

    async def desired(self, address: Address, payload: bytes, *, retained: bool = False, echoes: bool = True) -> str:
        """Compare what the broker holds with the store: ours, lost, or published by hand.

        `retained` says that the broker held the message before we came: an earlier version of ours then only means
        that a change was made while the broker was away. Without `echoes` it came by another session than ours.
        """
        device = address.device
        known = await find_desired(self._pool, device)
        if known is None:
            if payload:
                self._retained.note_unknown(device)
            return "unknown_device"
        if not payload:
            return "in_step" if known.version is None else await self._restore_empty(device)
        return await self._compare(device, known, payload, retained=retained, echoes=echoes)

    async def _compare(self, device: str, known: DeviceDesired, payload: bytes, *, retained: bool, echoes: bool) -> str:
        """Ours, in step or on its way, or another's, which is adopted. Raises ContractError where it can't be."""
        given = Desired.parse(payload)
        mark = (given.version, given.digest())
        echo = echoes and self._publisher.is_echo(device, *mark)
        if mark == (known.version, known.hash):
            return "in_step"
        async with self._configuration.changing() as change:
            connection = change.connection
            state = (await load_states(connection, [known.id]))[0]
            if state.desired is not None and given.digest() == state.desired.digest():
                return "in_step"
            if echo:
                return "echo"
            # what was overtaken a moment ago is of another gateway, later than its successor
            if await was_desired(connection, known.id, *mark, None if retained else OVERTAKEN_S):
                [successor] = await desired_marks(connection, [device])
                # one that waits, in whoever's hands, comes by itself
                if successor.announced:
                    await change.republish([device])
                return "behind"
            desired = await adopt(change, state, consider(state, payload, change.catalogue))
            await audit_by_hand(connection, self._topics.of(Kind.DESIRED, device), payload)
        self._metrics.adopted.inc()
        log.info("desired_adopted", device=device, version=desired.version, author=desired.author)
        return "adopted"

    async def spec(self, address: Address, payload: bytes) -> str:
        """Compare a spec at the broker with the store: ours is put back, a new one by hand is published.

        Raises ContractError for another content under a published version, and for a new one that is refused.
        """
        ref = f"{address.spec}@{address.version}"
        published = self._configuration.catalogue.specs.get(ref)
        if published is None:
            return await self._by_hand.take(address, payload) if payload else "unknown_spec"
        if payload == published.message().payload():
            return "in_step"
        if not payload and ref not in await desired_spec_refs(self._pool):
            return "not_needed"
        self._metrics.restored.labels("spec").inc()
        log.warning("spec_restored", spec=ref, reason="removed" if not payload else "changed at the broker")
        self._publisher.need_specs(ref, again=True)
        if payload and SpecMessage.parse(payload) != published.message():
            raise ContractError(
                f"{ref} is published and never changes", field="version", fix="publish the change as a new version"
            )
        return "restored"

    def note_in_step(self, address: Address) -> None:
        """Note that the broker holds this one as the store does; of the present connection's messages only."""
        if address.kind is Kind.DESIRED:
            self._retained.note_in_step(address.device)
        elif address.kind is Kind.SPEC:
            self._publisher.note_spec(f"{address.spec}@{address.version}")

    async def replies(self, address: Address, payload: bytes, *, correlation: bytes | None = None) -> str:
        """Record a device's answer to a command; one to a command that is not ours is noted as an event."""
        reply = Reply.parse(storable(payload))
        known = await self._commands.replied(address.device, correlation, reply)
        if known is not None:
            return known
        detail = {"command": reply.command, "ok": reply.ok, "error": reply.error, "result": reply.result}
        async with self._pool.acquire() as connection, connection.transaction():
            if not await is_first(connection, "command_reply", address.device, correlation or b"", payload):
                return "repeated"
            if not await self._quotas.take(connection, address.device, Quota.EVENTS, size=len(payload)):
                return "cut"
            await record_event(connection, "command_reply", device=address.device, detail=detail)
        return "stored"

    async def _restore_empty(self, device: str) -> str:
        async with self._configuration.changing() as change:
            await record_event(change.connection, "desired_removed", device=device, severity="warning")
            await change.republish([device])
        self._metrics.restored.labels("removed").inc()
        log.warning("desired_restored", device=device, reason="the retained message was removed")
        return "restored"
