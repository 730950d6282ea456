"""A change must prove itself: each meter that was read before gives a good reading in time, or the change is undone."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from broker.messages import Desired, Reason
from device.context import Context
from device.control import Control
from device.standing import WATCHED_MAX, Trial, Watched

log = structlog.get_logger()

TICK_S: Final = 0.5
STEP_MAX_S: Final = 5.0
"""What one tick may count: a machine that stood still has read nothing, and that is not the configuration's fault."""
SAVE_EVERY_S: Final = 10.0
GRACE_S: Final = 30.0
"""A trial that goes on after a start of the agent is not judged before: ports must be opened first."""


class Probation:
    """Watches the trial of the configuration in force.

    A trial ends well as soon as each watched meter was read. It fails where one was not, neither in `probation_s` of
    the change nor in three of that meter's own periods. The time counts while the agent runs, over restarts.
    """

    def __init__(self, context: Context, control: Control) -> None:
        self._context = context
        self._control = control
        self._told_version = 0
        self._started_s = self._ticked_s = self._began_s = context.monotonic()
        self._elapsed_s = self._saved_s = 0.0
        self._resumed = context.config.trial is not None
        if context.config.trial is not None:
            self._elapsed_s = self._saved_s = context.config.trial.elapsed_s

    def watch(self, desired: Desired) -> dict[str, Watched]:
        """The meters that a new configuration must not silence.

        Those that are read now; those that an earlier run read and this one not yet, if they are heard at all; those
        that a trial which it takes the place of was watching. A meter that it gives no spec to is left out.
        """
        context = self._context
        watched = {key: Watched(patience_s=patience) for key, patience in context.pulse.vital().items()}
        for key, patience in context.config.read.items():
            if not context.pulse.of(key).was_read:
                watched.setdefault(key, Watched(patience_s=patience, heard_only=True))
        if context.config.trial is not None:
            for key, one in context.config.trial.watched.items():
                watched.setdefault(key, one.model_copy(update={"proven": False}))
        given = {key for key, meter in desired.meters.items() if meter.spec is not None}
        return dict([item for item in watched.items() if item[0] in given][:WATCHED_MAX])

    def begin(self) -> None:
        """The configuration in force has just changed."""
        now_s = self._context.monotonic()
        self._began_s = self._ticked_s = now_s
        self._elapsed_s = self._saved_s = 0.0
        self._resumed = False
        self._told_version = 0
        if self._context.config.trial is not None:
            # a polled meter may not have its turn for hours
            self._context.hurry(None)

    async def run(self, apply: Callable[[], Awaitable[None]]) -> None:
        """Judge until cancelled; `apply` lets what is in force take effect everywhere."""
        while True:
            try:
                await self._tell()
                await self._tick(apply)
            except Exception:
                log.exception("probation_failed")
                self._context.metrics.task_failures.labels("probation").inc()
            await asyncio.sleep(TICK_S)

    async def _tick(self, apply: Callable[[], Awaitable[None]]) -> None:
        config, now_s = self._context.config, self._context.monotonic()
        step_s, self._ticked_s = min(now_s - self._ticked_s, STEP_MAX_S), now_s
        trial = config.trial
        self._context.metrics.on_probation.set(trial is not None)
        if trial is None:
            self._note_read()
            return
        self._elapsed_s += step_s
        proven = {key for key in trial.watched if self._context.pulse.of(key).read_s >= self._began_s}
        open_ = {key: one for key, one in trial.watched.items() if not one.proven and key not in proven}
        late = {key: one for key, one in open_.items() if self._is_late(trial, one)}
        excused = {key for key, one in late.items() if one.heard_only and not self._context.pulse.of(key).was_heard}
        if late.keys() - excused:
            self._context.config.revert(tuple(self._reason(key) for key in late if key not in excused))
            self._resumed = False
            await apply()
            self._control.report(self._context.config.verdict(), self._context.specs_in_use)
            await self._tell()
        elif not open_.keys() - excused:
            self._confirm()
        elif self._elapsed_s - self._saved_s >= SAVE_EVERY_S or any(not trial.watched[key].proven for key in proven):
            self._saved_s = self._elapsed_s
            config.progress(self._elapsed_s, proven)

    def _is_late(self, trial: Trial, one: Watched) -> bool:
        probation_s = trial.desired.parameters.probation_s
        if self._resumed and self._ticked_s - self._started_s < min(probation_s, GRACE_S):
            return False
        return self._elapsed_s >= max(probation_s, one.patience_s)

    def _reason(self, key: str) -> Reason:
        context = self._context
        beat, meter = context.pulse.of(key), context.config.meter(key)
        ref = meter.spec if meter is not None else None
        if ref is not None and context.specs.get(ref) is None:
            why = f"spec {ref} has not come"
        elif beat.heard_s >= self._began_s:
            why = f"by {ref}: {beat.failure or 'its frames could not be read'}"
        else:
            why = "nothing was heard of it"
        return Reason(field=f"meters.{key}", reason=f"no good reading in {self._elapsed_s:.0f} s: {why}"[:4096])

    def _confirm(self) -> None:
        context = self._context
        context.config.confirm()
        context.metrics.on_probation.set(0)
        context.outgoing.event("config_confirmed", version=context.config.version)
        self._control.report(context.config.verdict(), context.specs_in_use)

    async def _tell(self) -> None:
        """Send the event of a revert, once a run until it is on the disk."""
        context, failed = self._context, self._context.config.failed
        if failed is None or failed.told or self._told_version == failed.desired.version:
            return
        self._told_version = failed.desired.version
        context.metrics.config_reverted.inc()
        context.outgoing.event(
            "config_reverted",
            "error",
            version=failed.desired.version,
            in_force=context.config.version,
            author=failed.desired.author,
            reasons=[f"{reason.field}: {reason.reason}" for reason in failed.reasons],
        )
        if await context.make_durable():
            context.config.told()

    def _note_read(self) -> None:
        """Keep on disk which meters are read, so that a change which comes first after a start can be judged."""
        config, vital = self._context.config, self._context.pulse.vital()
        new = {
            key: patience
            for key, patience in vital.items()
            if config.meter(key) is not None
            and (key not in config.read or not config.read[key] / 2 <= patience <= config.read[key] * 2 + TICK_S)
        }
        if new:
            config.note_read(new)
