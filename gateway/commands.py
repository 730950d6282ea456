"""Commands in the store: entered within bounds before they are published, ended by a reply or by their time."""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from broker.commands import COMMANDS, CommandRefusedError, read_arguments
from broker.messages import Reply
from broker.wording import counted
from gateway.command_models import STATES
from gateway.database import Connection
from gateway.layers import Problem
from gateway.metrics import Metrics
from gateway.problem import ApiError, not_found
from gateway.signals import Signals
from gateway.sql import load
from store.pool import Pool

log = structlog.get_logger()
LOOK_S: Final = 1.0
"""A waiter looks this often at least: another gateway may record what it waits for."""
TOGETHER_S: Final = 0.1
NAMED_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Order:
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

    async def give(self, order: Order, devices: Sequence[str]) -> uuid.UUID:
        """Enter a command for devices, all or none; returns the batch. Raises ApiError 404, 422, 429."""
        _check(order)
        batch = uuid.uuid4()
        ids = [uuid.uuid4() for _ in devices]
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(load("take_command_lock"))
            await self._check_targets(connection, order, devices)
            await self._check_bounds(connection, devices)
            await connection.execute(
                load("add_commands"),
                ids,
                list(devices),
                batch,
                order.command,
                json.dumps(order.arguments),
                order.author,
                order.reason,
                self._gateway,
                float(order.life_s()),
            )
        self._metrics.commands.labels(order.command, "sent").inc(len(devices))
        log.info("command_given", command=order.command, devices=len(devices), author=order.author, batch=str(batch))
        self.wake.set()
        return batch

    async def wait(self, found: uuid.UUID, wait_s: float) -> None:
        """Wait until a command, or each one of a batch, has ended, or the time is over."""
        if not wait_s:
            return
        deadline = time.monotonic() + wait_s
        devices = {row["name"] for row in await self._pool.fetch(load("command_devices"), found, found)}
        with self._signals.watching(devices) as told:
            while await self._pool.fetchval(load("has_open_command"), found, found):
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(left_s, LOOK_S)):
                        await told.wait()
                told.clear()
                if len(devices) > 1:
                    # the replies of many come close to one another
                    await asyncio.sleep(TOGETHER_S)

    async def rows(
        self,
        *,
        command_id: uuid.UUID | None = None,
        batch: uuid.UUID | None = None,
        device: str | None = None,
        command: str | None = None,
        state: str | None = None,
        after: tuple[Any, Any] | None = None,
        limit: int,
    ) -> list[Any]:
        """Commands, the newest first."""
        created_at, last = after or (None, None)
        found: list[Any] = await self._pool.fetch(
            load("list_commands"), command_id, batch, device, command, state, created_at, last, limit
        )
        return found

    async def counts(self, batch: uuid.UUID) -> dict[str, int]:
        """How many commands of a batch are in each state."""
        found = {row["state"]: row["commands"] for row in await self._pool.fetch(load("command_counts"), batch)}
        return {state: found.get(state, 0) for state in STATES}

    async def replied(self, device: str, correlation: bytes | None, reply: Reply) -> str | None:
        """Record a reply; how that went, None where it answers no command of ours."""
        command_id = _id(correlation)
        if command_id is None:
            return None
        state = "replied" if reply.ok else "refused" if reply.reasons else "failed"
        row = await self._pool.fetchrow(load("note_reply"), command_id, device, state, reply.payload().decode())
        self._signals.notify(device)
        if row is None:
            return "repeated" if await self._pool.fetchval(load("has_command"), command_id, device) else None
        self._metrics.commands.labels(row["command"], state).inc()
        log.info(
            "command_replied", device=device, command=row["command"], state=state, late=row["late"], id=str(command_id)
        )
        return "late" if row["late"] else "stored"

    async def connected(self, device: str) -> None:
        """A device has connected anew: what it has not replied to is sent again, for as long as it lives."""
        if await self._pool.fetch(load("resend_commands"), device):
            self.wake.set()

    async def expire(self) -> None:
        """End what has had no reply in time."""
        for row in await self._pool.fetch(load("expire_commands")):
            self._metrics.commands.labels(row["command"], "expired").inc()
            log.warning("command_expired", device=row["device"], command=row["command"], id=str(row["id"]))
            self._signals.notify(row["device"])

    async def _check_targets(self, connection: Connection, order: Order, devices: Sequence[str]) -> None:
        known = {row["name"]: row for row in await connection.fetch(load("command_targets"), list(devices))}
        for number, name in enumerate(devices):
            if name not in known:
                raise not_found("device", name) if len(devices) == 1 else _unknown(number, name)
        for name, row in known.items():
            commands = json.loads(row["commands"]) if row["commands"] else None
            if commands and order.command not in commands:
                reason = f"{name} runs wattline {row['software']}, which does not know it"
                raise ApiError(
                    422, f"command: {reason}", [Problem("command", reason, f"it knows {', '.join(commands)}")]
                )

    async def _check_bounds(self, connection: Connection, devices: Sequence[str]) -> None:
        rows = await connection.fetch(load("command_load"), list(devices))
        full = [row["name"] for row in rows if row["in_flight"] >= self._bounds.per_device]
        if full:
            what = (
                f"{counted(self._bounds.per_device, 'command')} each already waiting for {', '.join(full[:NAMED_MAX])}"
            )
            raise ApiError(429, what, [Problem("device", what, "wait until they have ended")])
        if rows and rows[0]["in_all"] + len(devices) > self._bounds.in_all:
            what = f"{rows[0]['in_all']} commands wait, and {len(devices)} more would be above {self._bounds.in_all}"
            raise ApiError(429, what, [Problem("devices", what, "name fewer devices, or wait until some have ended")])


def _check(order: Order) -> None:
    try:
        read_arguments(order.command, order.arguments)
    except CommandRefusedError as error:
        faults = [Problem(one.field, one.reason, "") for one in error.reasons]
        raise ApiError(422, f"{faults[0].field}: {faults[0].reason}", faults) from error


def _unknown(number: int, name: str) -> ApiError:
    fault = Problem(f"devices.{number}", f"no device {name!r}", "GET /api/v1/devices lists them")
    return ApiError(422, f"{fault.field}: {fault.reason}; nothing was sent", [fault])


def _id(correlation: bytes | None) -> uuid.UUID | None:
    try:
        return uuid.UUID((correlation or b"").decode("ascii"))
    except ValueError:
        return None
