"""Commands to devices: entered within bounds before they are published, ended by a reply or by their time."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog

from broker.contract.commands import COMMANDS, CommandRefusedError, read_arguments
from broker.contract.messages import Reply
from broker.wording import counted
from gateway.commands.models import STATES, State
from gateway.commands.store import (
    StoredCommand,
    add_commands,
    command_counts,
    command_devices,
    command_load,
    command_targets,
    expire_commands,
    has_command,
    has_open_command,
    list_commands,
    note_reply,
    resend_commands,
    take_command_lock,
)
from gateway.faults import Fault, Kind, Refusal, invalid, unknown
from gateway.fleet.audience import parse_audience
from gateway.fleet.device_labels import chosen_by
from gateway.metrics import Metrics
from gateway.signals import Signals
from store.pool import Pool
from store.sql import Connection

log = structlog.get_logger()
POLL_S: Final = 1.0
"""A waiter asks the store this often at least: another gateway may record what it waits for."""
TOGETHER_S: Final = 0.1
NAMED_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class PendingCommand:
    """One command for some devices, by whom, and for how long it lives."""

    command: str
    arguments: dict[str, Any]
    author: str
    reason: str | None
    timeout_s: int | None

    def life_s(self) -> int:
        """How long it may be begun."""
        return self.timeout_s or COMMANDS[self.command].timeout_s


@dataclass(frozen=True, slots=True)
class Bounds:
    """Commands without an end yet, for each device and in all; beyond them a request is refused as a whole."""

    per_device: int
    in_all: int


class Commands:
    """What the API and the inbox do with commands; `gateway` is this gateway's client id."""

    def __init__(self, pool: Pool, signals: Signals, metrics: Metrics, gateway: str, bounds: Bounds) -> None:
        self._pool = pool
        self._signals = signals
        self._metrics = metrics
        self._gateway = gateway
        self._bounds = bounds
        self.wake = asyncio.Event()
        """Set where something may have to be published."""

    async def give(self, order: PendingCommand, devices: Sequence[str]) -> uuid.UUID:
        """Enter a command for devices, all or none; returns the batch. Raises Refusal: unknown, invalid, too many."""
        _check(order)
        batch = uuid.uuid4()
        ids = [uuid.uuid4() for _ in devices]
        async with self._pool.acquire() as connection, connection.transaction():
            await take_command_lock(connection)
            await self._check_targets(connection, order, devices)
            await self._check_bounds(connection, devices)
            await add_commands(
                connection, ids, devices, batch, order.command, order.arguments, order.author, order.reason,
                self._gateway, float(order.life_s()),
            )  # fmt: skip
        self._metrics.commands.labels(order.command, "sent").inc(len(devices))
        log.info("command_given", command=order.command, devices=len(devices), author=order.author, batch=str(batch))
        self.wake.set()
        return batch

    async def wait(self, found: uuid.UUID, wait_s: float) -> None:
        """Wait until a command, or each one of a batch, has ended, or the time is over."""
        if not wait_s:
            return
        deadline = time.monotonic() + wait_s
        devices = set(await command_devices(self._pool, found, found))
        with self._signals.watching(devices) as replied:
            while await has_open_command(self._pool, found, found):
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(left_s, POLL_S)):
                        await replied.wait()
                replied.clear()
                if len(devices) > 1:
                    # the replies of many come close to one another
                    await asyncio.sleep(TOGETHER_S)

    async def page(
        self,
        *,
        command_id: uuid.UUID | None = None,
        batch: uuid.UUID | None = None,
        device: str | None = None,
        command: str | None = None,
        state: State | None = None,
        after: tuple[datetime, uuid.UUID] | None = None,
        limit: int,
    ) -> list[StoredCommand]:
        """Commands, the newest first."""
        created_at, last = after or (None, None)
        return await list_commands(self._pool, command_id, batch, device, command, state, created_at, last, limit)

    async def counts(self, batch: uuid.UUID) -> dict[str, int]:
        """How many commands of a batch are in each state."""
        found = {one.state: one.commands for one in await command_counts(self._pool, batch)}
        return {state: found.get(state, 0) for state in STATES}

    async def replied(self, device: str, correlation: bytes | None, reply: Reply) -> str | None:
        """Record a reply; how that went, None where it answers no command of ours."""
        command_id = _id(correlation)
        if command_id is None:
            return None
        state: State = "replied" if reply.ok else "refused" if reply.reasons else "failed"
        noted = await note_reply(
            self._pool, command_id, device, state, reply.model_dump(mode="json", exclude_none=True)
        )
        self._signals.notify(device)
        if noted is None:
            return "repeated" if await has_command(self._pool, command_id, device) else None
        self._metrics.commands.labels(noted.command, state).inc()
        log.info(
            "command_replied", device=device, command=noted.command, state=state, late=noted.late, id=str(command_id)
        )
        return "late" if noted.late else "stored"

    async def connected(self, device: str) -> None:
        """A device has connected anew: what it has not replied to is sent again, for as long as it lives."""
        if await resend_commands(self._pool, device):
            self.wake.set()

    async def expire(self) -> None:
        """End what has had no reply in time."""
        for one in await expire_commands(self._pool):
            self._metrics.commands.labels(one.command, "expired").inc()
            log.warning("command_expired", device=one.device, command=one.command, id=str(one.id))
            self._signals.notify(one.device)

    async def _check_targets(self, connection: Connection, order: PendingCommand, devices: Sequence[str]) -> None:
        known = {one.name: one for one in await command_targets(connection, devices)}
        for number, name in enumerate(devices):
            if name not in known:
                raise unknown("device", name) if len(devices) == 1 else _unknown(number, name)
        for name, target in known.items():
            if target.commands and order.command not in target.commands:
                reason = f"{name} runs wattline {target.software}, which does not know it"
                fault = Fault("command", reason, f"it knows {', '.join(target.commands)}")
                raise Refusal(Kind.INVALID, f"command: {reason}", [fault])

    async def _check_bounds(self, connection: Connection, devices: Sequence[str]) -> None:
        loads = await command_load(connection, devices)
        full = [one.name for one in loads if one.in_flight >= self._bounds.per_device]
        if full:
            each = counted(self._bounds.per_device, "command")
            what = f"{each} each already waiting for {', '.join(full[:NAMED_MAX])}"
            raise Refusal(Kind.TOO_MANY, what, [Fault("device", what, "wait until they have ended")])
        if loads and loads[0].in_all + len(devices) > self._bounds.in_all:
            what = f"{loads[0].in_all} commands wait, and {len(devices)} more would be above {self._bounds.in_all}"
            fault = Fault("devices", what, "name fewer devices, or wait until some have ended")
            raise Refusal(Kind.TOO_MANY, what, [fault])


async def targets(pool: Pool, devices: Sequence[str] | None, selector: str | None) -> list[str]:
    """The devices that are named, or those whose labels a selector fits; each once. Raises Refusal: invalid."""
    if (devices is None) == (selector is None):
        raise invalid("devices", "name devices or give a selector, one of the two", '{"selector": "site=warsaw"}')
    if devices is not None:
        return list(dict.fromkeys(devices))
    audience = parse_audience(selector or "", field="selector")
    async with pool.acquire() as connection:
        chosen = await chosen_by(connection, audience)
    if not chosen:
        fault = Fault("selector", f"no device fits {str(audience)[:200]!r}", "GET /api/v1/devices lists them")
        raise Refusal(Kind.INVALID, f"selector: {fault.reason}", [fault])
    return chosen


def _check(order: PendingCommand) -> None:
    try:
        read_arguments(order.command, order.arguments)
    except CommandRefusedError as error:
        faults = [Fault(one.field, one.reason, "") for one in error.reasons]
        raise Refusal(Kind.INVALID, f"{faults[0].field}: {faults[0].reason}", faults) from error


def _unknown(number: int, name: str) -> Refusal:
    fault = Fault(f"devices.{number}", f"no device {name!r}", "GET /api/v1/devices lists them")
    return Refusal(Kind.INVALID, f"{fault.field}: {fault.reason}; nothing was sent", [fault])


def _id(correlation: bytes | None) -> uuid.UUID | None:
    try:
        return uuid.UUID((correlation or b"").decode("ascii"))
    except ValueError:
        return None
