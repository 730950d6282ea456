"""Commands from the platform: judged, done once, answered; each under a deadline, several beside one another."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from broker.contract.commands import COMMANDS, MAX_CORRELATION_BYTES, CommandRefusedError, read_arguments, refused
from broker.contract.messages import Command, Message, Reason, Reply
from broker.errors import ContractError, TransientError
from device.announcements import Control
from device.commands.journal import CommandJournal
from device.readings.context import Context

log = structlog.get_logger()

IN_HAND_MAX: Final = 8
SENT_WITHIN_S: Final = 10.0
"""How long a restart waits until the broker has its reply."""
MARGIN: Final = 0.1
"""The share of a command's life, at most MARGIN_S, that is left for the way of its reply."""
MARGIN_S: Final = 2.0

Action = Callable[[Any, float], Awaitable[dict[str, Any]]]
"""Does one command: arguments and seconds to spend in, result out. Raises CommandFailedError, CommandRefusedError."""


class CommandFailedError(TransientError):
    """A command that was begun and could not be done; `result` is what came of it all the same."""

    def __init__(self, reason: str, result: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.result = result or {}


@dataclass(frozen=True, slots=True)
class _Job:
    command: str
    arguments: Message
    correlation: bytes | None
    limit_s: float


class Commands:
    """Takes commands and does at most IN_HAND_MAX at once; one more is refused, by a reply that says so.

    What came with correlation data is done once: when it comes again the same reply is sent, also after a restart.
    `restart` names the command that ends the agent, by `end_agent`, once the reply to it is sent.
    """

    def __init__(
        self,
        context: Context,
        control: Control,
        journal: CommandJournal,
        actions: Mapping[str, Action],
        restart: str,
        end_agent: Callable[[], None],
    ) -> None:
        self._context = context
        self._control = control
        self._journal = journal
        self._actions = actions
        self._restart = restart
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue(IN_HAND_MAX)
        self._in_hand = 0
        self._end_agent = end_agent

    @property
    def damage(self) -> str:
        """What was found wrong with the journal, empty where it was whole."""
        return self._journal.damage

    def take(self, command: str, payload: bytes, correlation: bytes | None, expires_s: float | None) -> None:
        """Take one command; when this returns it is on disk, or answered."""
        key = correlation.hex() if correlation else ""
        known = self._journal.get(key)
        if known is not None:
            self._count(command, "repeated")
            if known.reply is not None:
                self._control.reply(known.reply, correlation)
            return
        try:
            job = self._judged(command, payload, correlation, expires_s)
        except CommandRefusedError as error:
            self._answer(_refusal(command, error), correlation)
            return
        if key:
            self._journal.begin(key, command)
        self._in_hand += 1
        self._jobs.put_nowait(job)

    def answer_interrupted(self) -> None:
        """Take the journal up, before any command comes, and answer what the last run had begun and not ended."""
        for key, command in self._journal.load().items():
            reply = Reply(command=command, ok=False, error="the agent was restarted before the command was done")
            self._journal.end(key, reply)
            self._answer(reply, bytes.fromhex(key))

    async def run(self) -> None:
        """Do what was taken, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                job = await self._jobs.get()
                group.create_task(self._do(job), name=f"device.command.{job.command}")

    def _judged(self, command: str, payload: bytes, correlation: bytes | None, expires_s: float | None) -> _Job:
        now_s = self._context.monotonic()
        if expires_s is not None and now_s >= expires_s:
            raise refused("expiry", "it expired before it was begun, and nothing was done")
        if correlation is not None and len(correlation) > MAX_CORRELATION_BYTES:
            raise refused("correlation", f"{len(correlation)} bytes; at most {MAX_CORRELATION_BYTES}")
        try:
            given = Command.parse(payload or b"{}").arguments
        except ContractError as error:
            raise refused(error.field or "payload", error.reason) from error
        arguments = read_arguments(command, given)
        if self._in_hand >= IN_HAND_MAX:
            raise refused("command", f"{IN_HAND_MAX} commands are in hand; send it again when they are done")
        limit_s = float(COMMANDS[command].timeout_s)
        if expires_s is not None:
            left_s = expires_s - now_s
            limit_s = left_s - min(MARGIN * left_s, MARGIN_S)
        return _Job(command, arguments, correlation, limit_s)

    async def _do(self, job: _Job) -> None:
        try:
            reply = await self._reply(job)
            if job.correlation:
                self._journal.end(job.correlation.hex(), reply)
            sent = self._answer(reply, job.correlation)
            if job.command == self._restart and reply.ok:
                await asyncio.wait({sent}, timeout=SENT_WITHIN_S)
                self._end_agent()
        finally:
            self._in_hand -= 1

    async def _reply(self, job: _Job) -> Reply:
        log.info("command_begun", command=job.command, limit_s=round(job.limit_s, 1))
        try:
            async with asyncio.timeout(job.limit_s):
                result = await self._actions[job.command](job.arguments, job.limit_s)
        except TimeoutError:
            return Reply(command=job.command, ok=False, error=f"not done in {job.limit_s:.1f} s")
        except CommandRefusedError as error:
            return _refusal(job.command, error)
        except CommandFailedError as error:
            return Reply(command=job.command, ok=False, result=error.result, error=str(error)[:4096])
        except Exception as error:
            log.exception("command_failed", command=job.command)
            self._context.metrics.task_failures.labels("command").inc()
            return Reply(command=job.command, ok=False, error=f"the agent failed: {error!r}"[:4096])
        return Reply(command=job.command, ok=True, result=result)

    def _answer(self, reply: Reply, correlation: bytes | None) -> "asyncio.Future[None]":
        result = "ok" if reply.ok else "refused" if reply.reasons else "error"
        self._count(reply.command, result)
        log.info("command_answered", command=reply.command, result=result, error=reply.error)
        return self._control.reply(reply, correlation)

    def _count(self, command: str, result: str) -> None:
        self._context.metrics.commands.labels(command if command in COMMANDS else "unknown", result).inc()


def _refusal(command: str, error: CommandRefusedError) -> Reply:
    text = "; ".join(f"{reason.field}: {reason.reason}" for reason in error.reasons)
    reasons = tuple(Reason(field=reason.field, reason=reason.reason) for reason in error.reasons)
    return Reply(command=command, ok=False, error=text[:4096], reasons=reasons)
