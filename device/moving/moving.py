"""The way to another broker and back: gone once the store there confirms a message, undone where it does not."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from broker.contract.messages import Reason, Receipts
from broker.errors import PermanentError, WattlineError
from broker.mqtt.session import Session, SessionOptions
from broker.runtime.settings import BrokerAddress
from device.announcements import Control
from device.moving.addresses import STARTS_MAX, Addresses, AddressFailed, AddressTrial
from device.moving.target import Target, part_of, wished
from device.outbox.outgoing import Severity
from device.readings.context import Context

log = structlog.get_logger()

TICK_S: Final = 0.25
STEP_MAX_S: Final = 5.0
"""What one tick may count: a machine that stood still has tried nothing."""
SAVE_EVERY_S: Final = 10.0
UNTRIED_S: Final = 120.0
"""How long an address has where probation of configurations is off: nobody goes there for good untried."""
FAREWELL_S: Final = 2.0
VISIT_S: Final = 10.0
LOST_CAP_S: Final = 86400.0

Withhold = Callable[[Reason, dict[str, str]], Awaitable[None]]
"""Takes what failed out of the configuration in force, and reports it."""


class Moving:
    """Goes where the configuration in force says, on probation.

    Proof is a receipt for a message that was made after the connection there stood: only a store behind that broker can
    have it. An address that the platform named and that was proven is left for the one before, on probation as well,
    when nothing was confirmed for `broker_lost_s` though something waits for it.
    """

    def __init__(
        self,
        context: Context,
        session: Session,
        control: Control,
        addresses: Addresses,
        waiting: Callable[[], int],
        withhold: Withhold,
    ) -> None:
        self._context = context
        self._session = session
        self._control = control
        self._addresses = addresses
        self._waiting = waiting
        self._withhold = withhold
        self._ticked_s = self._heard_s = context.monotonic()
        self._lost_s = context.settings.broker_lost_s
        self._after = 0
        """The number of the last connection before the trial's."""
        self._proof: int | None = None
        self._proven = False
        self._saved_s = self._elapsed_s = addresses.state.trial.elapsed_s if addresses.state.trial else 0.0
        control.moving = self.is_open

    def is_open(self) -> bool:
        """Whether a move that the platform wants has not been decided yet, or not even begun."""
        state = self._addresses.state
        if state.trial is not None:
            return not state.trial.returning
        wish = self._addresses.wish(self._context.config.parameters)
        return wish is not None and wish != state.good

    def on_trial(self) -> bool:
        """Whether the broker of now has not proven itself: until then nobody obeys it."""
        return self._addresses.state.trial is not None

    @property
    def damage(self) -> str:
        """What was found wrong with the file of addresses at the start, empty where it was whole."""
        return self._addresses.damage

    def heard(self, receipts: Receipts) -> None:
        """The store has confirmed something."""
        ranges = receipts.boots.get(self._context.outgoing.boot)
        if not ranges:
            return
        self._heard_s = self._context.monotonic()
        if self._proof is not None and any(one.root[0] <= self._proof <= one.root[1] for one in ranges):
            self._proven = True

    async def run(self) -> None:
        """Move until cancelled."""
        while True:
            try:
                await self._tick()
            except Exception:
                log.exception("moving_failed")
                self._context.metrics.task_failures.labels("moving").inc()
            await asyncio.sleep(TICK_S)

    async def _tick(self) -> None:
        state, now_s = self._addresses.state, self._context.monotonic()
        step_s, self._ticked_s = min(now_s - self._ticked_s, STEP_MAX_S), now_s
        if state.failed is not None:
            await self._hold_back(state.failed)
            self._addresses.save(failed=None)
            return
        wish = self._addresses.wish(self._context.config.parameters)
        trial = state.trial
        if trial is None:
            if wish is not None and wish != state.good:
                await self._begin(wish)
            elif self._is_lost(now_s):
                await self._begin(state.before or state.good, returning=True)
        elif wish is not None and not trial.returning and wish != trial.target:
            # it was told another one meanwhile
            await (self._fail(trial, "it is no longer wanted") if wish == state.good else self._begin(wish))
        else:
            self._elapsed_s += step_s
            await self._judge(trial)

    async def _begin(self, target: Target, *, returning: bool = False) -> None:
        """Keep that it is tried, then go: a power cut goes on with the trial."""
        self._proof, self._proven, self._elapsed_s, self._saved_s = None, False, 0.0, 0.0
        try:
            address = self._addresses.reach(target)
        except (PermanentError, OSError) as error:
            await self._fail(AddressTrial(target=target, returning=returning), f"can't be tried: {error}"[:1000])
            return
        log.warning("broker_move_begins", address=target.name, returning=returning)
        self._context.metrics.broker_moves.labels("tried").inc()
        self._addresses.save(trial=AddressTrial(target=target, returning=returning))
        self._report()
        await self._leave()
        self._after = self._session.connections
        self._go(address)

    async def _judge(self, trial: AddressTrial) -> None:
        if self._proof is None and self._session.connected and self._session.connections > self._after:
            self._context.outgoing.event("broker_tried", address=trial.target.name)
            self._proof = self._context.outgoing.seq
        if self._proven:
            await self._arrive(trial)
        elif trial.starts > STARTS_MAX:
            await self._fail(trial, f"the agent was started {trial.starts} times before it could prove itself")
        elif self._elapsed_s >= (self._context.config.parameters.probation_s or UNTRIED_S):
            await self._fail(trial, f"within {self._elapsed_s:.0f} s: {self._lacking()}")
        elif self._elapsed_s - self._saved_s >= SAVE_EVERY_S:
            self._saved_s = self._elapsed_s
            self._addresses.save(trial=trial.model_copy(update={"elapsed_s": self._elapsed_s}))

    async def _arrive(self, trial: AddressTrial) -> None:
        left, self._proof = self._addresses.state.good, None
        failed = None
        if trial.returning:
            failed = AddressFailed(target=left, reason=f"nothing was confirmed there for {self._lost_s:.0f} s")
        # while it is still on trial
        self._addresses.settle(arrived=not trial.returning)
        # one write: where it is now, and what is to be said of where it was
        self._addresses.save(good=trial.target, before=left, trial=None, failed=failed)
        self._lost_s = self._context.settings.broker_lost_s
        self._context.metrics.broker_moves.labels("moved").inc()
        severity: Severity = "warning" if trial.returning else "info"
        self._context.outgoing.event(
            "broker_moved", severity, address=trial.target.name, before=left.name, returned=trial.returning
        )
        self._report()
        if trial.returning:
            # what is retained there was passed over until now, and comes again with a new connection
            self._go(self._addresses.address())
        else:
            await self._tell(left)

    async def _tell(self, left: Target) -> None:
        """Say at the broker that was left that the address is good: a change in steps goes on there by it.

        By a connection of its own that takes nothing in: what is retained there is not for this device any more.
        """
        options = SessionOptions(client_id=self._context.device, refusal_is_fatal=False)
        self._session.hold()
        try:
            async with asyncio.timeout(VISIT_S), Session(self._addresses.reach(left), options) as visit:
                await visit.publish(self._control.last_report())
        except (TimeoutError, WattlineError, OSError) as error:
            log.info("broker_left_without_a_word", address=left.name, reason=str(error))
        finally:
            self._go(self._addresses.address())

    async def _fail(self, trial: AddressTrial, reason: str) -> None:
        self._proof = None
        failed = None if trial.returning else AddressFailed(target=trial.target, reason=reason)
        under_way = self._addresses.state.trial is not None
        if under_way:
            # first: it is on trial, and not obeyed, up to its last word
            await self._leave()
        self._addresses.save(trial=None, failed=failed)
        self._context.metrics.broker_moves.labels("failed").inc()
        severity: Severity = "warning" if trial.returning else "error"
        self._context.outgoing.event("broker_not_moved", severity, address=trial.target.name, reason=reason)
        if trial.returning:
            self._lost_s = min(LOST_CAP_S, 2 * self._lost_s)
            self._heard_s = self._context.monotonic()
        if under_way:
            self._go(self._addresses.address())

    async def _hold_back(self, failed: AddressFailed) -> None:
        """Take the address out of the configuration in force, where it still is in it."""
        parameters = self._context.config.parameters
        if wished(parameters, self._addresses.own) == failed.target:
            reason = Reason(field="parameters.broker_address", reason=f"{failed.target.name}: {failed.reason}"[:4096])
            await self._withhold(reason, part_of(parameters))
        self._report()

    def _go(self, address: BrokerAddress) -> None:
        self._addresses.settle()
        self._session.move(address)
        # not before: a connection that is made meanwhile needs them
        with contextlib.suppress(OSError):
            self._addresses.clear()

    async def _leave(self) -> None:
        """Say goodbye to the broker that is left: its last word of us shall not be that we are there."""
        if self._session.connected:
            with contextlib.suppress(TimeoutError, WattlineError):
                async with asyncio.timeout(FAREWELL_S):
                    await self._control.farewell()

    def _is_lost(self, now_s: float) -> bool:
        if not self._waiting():
            self._heard_s = now_s
        return self._addresses.state.before is not None and now_s - self._heard_s >= self._lost_s

    def _report(self) -> None:
        self._control.report(None, self._control.specs)

    def _lacking(self) -> str:
        if not self._session.connected:
            return self._session.last_error or "no connection to it"
        if not self._control.registered:
            return "it lets us in, and takes no registration"
        return "it lets us in, and no store there confirms anything"
