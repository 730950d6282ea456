"""What each message to the config service does to the store; nothing here acknowledges or waits for the broker."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from broker.errors import ContractError
from broker.messages import Desired, Registration, Reply, Reported, SpecMessage
from broker.mosquitto import ROLES
from broker.topics import Address, Kind
from gateway.adoption import adopt, consider
from gateway.commands import Commands
from gateway.database import Connection
from gateway.desired import configuring, load_states, rebuild
from gateway.events import record_event
from gateway.metrics import Metrics
from gateway.publisher import Publisher
from gateway.registration import register
from gateway.signals import Signals
from gateway.spec_by_hand import SpecsByHand
from gateway.sql import load
from store.pool import Pool

if TYPE_CHECKING:
    from asyncpg import Record

    from gateway.reconciler import Retained

log = structlog.get_logger()
OVERTAKEN_S = 60.0
"""How long an overtaken configuration of ours may still come from another gateway."""


class Handlers:
    """One method a kind of message; each commits before it returns, and doing it again changes nothing.

    They raise ContractError for a message that must go to quarantine, and asyncpg's errors.
    """

    def __init__(
        self,
        pool: Pool,
        publisher: Publisher,
        retained: "Retained",
        signals: Signals,
        metrics: Metrics,
        by_hand: SpecsByHand,
        commands: Commands,
    ) -> None:
        self._pool = pool
        self._publisher = publisher
        self._retained = retained
        self._signals = signals
        self._metrics = metrics
        self._by_hand = by_hand
        self._commands = commands

    async def registration(self, address: Address, payload: bytes) -> str:
        """Enter a registration; the device's configuration follows where it changes anything."""
        if address.device in ROLES:
            raise ContractError(
                f"{address.device!r} is a role's user name", field="device", fix="name the device otherwise"
            )
        registration = Registration.parse(payload)
        async with configuring(self._pool) as connection:
            shelf = await self._publisher.renew(connection)
            outcome = await register(connection, address.device, registration, datetime.now(UTC))
            changed = await rebuild(connection, sorted(outcome.touched), shelf)
        log.info(
            "registration_stored",
            device=address.device,
            meters=len(registration.meters),
            first=outcome.first,
            installed=outcome.installed,
            removed=outcome.removed,
            duplicated=outcome.duplicated,
            config_changed=bool(changed),
        )
        self._publisher.mark(*changed)
        await self._commands.connected(address.device)
        return "stored"

    async def reported(self, address: Address, payload: bytes) -> str:
        """Enter what a device reports; one that is ahead of the store (restored from a backup) is overtaken."""
        if not payload:
            return "ignored"
        report = Reported.parse(payload)
        if await self._is_known(address.device, report):
            return "repeated"
        async with configuring(self._pool) as connection:
            device_id: int = await connection.fetchval(load("ensure_device"), address.device)
            await self._store_report(connection, device_id, report)
            states = await load_states(connection, [device_id])
            ahead = any(state.desired is not None and state.floor > state.desired.version for state in states)
            shelf = await self._publisher.renew(connection)
            changed = await rebuild(connection, [device_id], shelf) if ahead else []
        self._publisher.mark(*changed)
        self._signals.notify(address.device)
        log.info("report_stored", device=address.device, version=report.version, state=report.state)
        return "stored"

    async def desired(self, address: Address, payload: bytes, *, retained: bool = False, echoes: bool = True) -> str:
        """Compare what stands at the broker with the store: ours, lost, or published by hand.

        `retained` says that the message stood there before we came: an earlier version of ours then only means that a
        change was made while the broker was away. Without `echoes` it did not come by the session that we publish on.
        """
        device = address.device
        known = await self._pool.fetchrow(load("desired_known"), device)
        if known is None:
            if payload:
                self._retained.unknown(device)
            return "unknown_device"
        if not payload:
            return await self._restore_empty(device)
        return await self._compare(device, known, payload, retained=retained, echoes=echoes)

    async def _compare(self, device: str, known: "Record", payload: bytes, *, retained: bool, echoes: bool) -> str:
        """Ours, in step or on its way, or another's, which is adopted. Raises ContractError where it can't be."""
        given = Desired.parse(payload)
        mark = (given.version, given.digest())
        echo = echoes and self._publisher.is_echo(device, *mark)
        if mark == (known["version"], known["hash"]):
            return "in_step"
        async with configuring(self._pool) as connection:
            state = (await load_states(connection, [known["id"]]))[0]
            if state.desired is not None and given.digest() == state.desired.digest():
                return "in_step"
            if echo:
                return "echo"
            # what was overtaken a moment ago is of another gateway, later than its successor
            if await connection.fetchval(load("was_desired"), known["id"], *mark, None if retained else OVERTAKEN_S):
                self._publisher.mark(device)
                return "behind"
            shelf = await self._publisher.renew(connection)
            desired = await adopt(connection, state, consider(state, payload, shelf))
        self._metrics.adopted.inc()
        self._publisher.mark(device)
        log.info("desired_adopted", device=device, version=desired.version, author=desired.author)
        return "adopted"

    async def spec(self, address: Address, payload: bytes) -> str:
        """Compare a spec at the broker with the store: ours is put back, a new one by hand is published.

        Raises ContractError for another content under a published version, and for a new one that is refused.
        """
        ref = f"{address.spec}@{address.version}"
        published = self._publisher.shelf.specs.get(ref)
        if published is None:
            return await self._by_hand.take(address, payload) if payload else "unknown_spec"
        if payload == published.message().payload():
            return "in_step"
        needed = {row["ref"] for row in await self._pool.fetch(load("desired_spec_refs"))}
        if not payload and ref not in needed:
            return "not_needed"
        self._metrics.restored.labels("spec").inc()
        log.warning("spec_restored", spec=ref, reason="removed" if not payload else "changed at the broker")
        self._publisher.need_specs(ref, again=True)
        if payload and SpecMessage.parse(payload) != published.message():
            raise ContractError(
                f"{ref} is published and never changes", field="version", fix="publish the change as a new version"
            )
        return "restored"

    def saw(self, address: Address) -> None:
        """Note that the broker holds this one as the store does; of the present connection's messages only."""
        if address.kind is Kind.DESIRED:
            self._retained.saw(address.device)
        elif address.kind is Kind.SPEC:
            self._publisher.spec_seen(f"{address.spec}@{address.version}")

    async def replies(self, address: Address, payload: bytes, *, correlation: bytes | None = None) -> str:
        """Record a device's answer to a command; one to a command that is not ours is noted as an event."""
        reply = Reply.parse(payload)
        known = await self._commands.replied(address.device, correlation, reply)
        if known is not None:
            return known
        detail = {"command": reply.command, "ok": reply.ok, "error": reply.error, "result": reply.result}
        async with self._pool.acquire() as connection:
            await record_event(connection, "command_reply", device=address.device, detail=detail)
        return "stored"

    async def _restore_empty(self, device: str) -> str:
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetch(load("desired_of"), [device]):
                return "in_step"
            await record_event(connection, "desired_removed", device=device, severity="warning")
        self._metrics.restored.labels("removed").inc()
        log.warning("desired_restored", device=device, reason="the retained message was removed")
        self._publisher.mark(device)
        return "restored"

    async def _is_known(self, device: str, report: Reported) -> bool:
        specs = json.dumps(json.loads(report.payload()).get("specs", {}))
        stored = await self._pool.fetchval(
            load("report_known"),
            device,
            report.version,
            report.state,
            report.boot,
            report.at,
            specs,
            *_standing(report),
        )
        return stored is not None

    @staticmethod
    async def _store_report(connection: Connection, device_id: int, report: Reported) -> None:
        document = json.loads(report.payload())
        await connection.execute(
            load("set_reported"),
            device_id,
            report.version,
            report.state,
            json.dumps(document.get("reasons", [])),
            json.dumps(document["effective"]),
            json.dumps(document.get("specs", {})),
            report.boot,
            report.at,
            datetime.now(UTC),
            report.in_force,
            *_standing(report),
        )


def _standing(report: Reported) -> tuple[bool, list[str] | None, list[str]]:
    """Whether it is proved yet, by whom that is waited for, and what is held back."""
    watched = None if report.watched is None else list(report.watched)
    return report.probation, watched, list(report.held_back or ())
