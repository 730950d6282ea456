"""A change must prove itself: a meter must be read by it, each that speaks in time, or what failed is undone."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from broker.contract.messages import Desired, Reason
from device.config.fallback import parts_of, spec_field
from device.config.state_file import WATCHED_MAX, Part, Trial, Watched
from device.readings.context import Context

log = structlog.get_logger()

TICK_S: Final = 0.5
STEP_MAX_S: Final = 5.0
"""What one tick may count: a machine that stood still has read nothing, and that is not the configuration's fault."""
SAVE_EVERY_S: Final = 10.0
GRACE_S: Final = 30.0
"""A trial that goes on after a start of the agent is not judged before: ports must be opened first."""
LIVED_S: Final = 60.0
"""An agent that runs so long under a trial is not ended by it."""


class Probation:
    """Watches the trial of the configuration in force.

    Watched are the meters that were read when it came, and each other one as soon as it speaks. The trial ends well
    when none is waited for and one at least was read. It fails where one was not, neither in `probation_s` nor in three
    of its own periods, and going back may help it. The time counts while the agent runs, over restarts.

    `read_all` reads each meter without waiting for its interval: a polled one may not have its turn for hours.
    """

    def __init__(self, context: Context, read_all: Callable[[], None]) -> None:
        self._context = context
        self._read_all = read_all
        self._reported_version = 0
        self._started_s = self._ticked_s = self._began_s = context.monotonic()
        self._elapsed_s = self._saved_s = 0.0
        self._resumed = context.config.trial is not None
        if context.config.trial is not None:
            self._elapsed_s = self._saved_s = context.config.trial.elapsed_s

    def select_watched(self, desired: Desired) -> dict[str, Watched]:
        """The meters that a new configuration must not silence, of those that it gives a spec to.

        Those that are read now, and those that a trial which it takes the place of was watching.
        """
        context = self._context
        watched = {key: Watched(patience_s=patience) for key, patience in context.health.being_read().items()}
        if context.config.trial is not None:
            for key, one in context.config.trial.watched.items():
                watched.setdefault(key, Watched(patience_s=one.patience_s))
        given = {key for key, meter in desired.meters.items() if meter.spec is not None}
        return dict([item for item in watched.items() if item[0] in given][:WATCHED_MAX])

    def begin(self) -> None:
        """The configuration in force has just changed."""
        now_s = self._context.monotonic()
        self._began_s = self._ticked_s = now_s
        self._elapsed_s = self._saved_s = 0.0
        self._resumed = False
        self._reported_version = 0
        if self._context.config.trial is not None:
            # a polled meter may not have its turn for hours
            self._read_all()

    async def run(self, apply: Callable[[], Awaitable[None]]) -> None:
        """Judge until cancelled; `apply` lets what is in force take effect everywhere."""
        while True:
            try:
                await self._send_event()
                await self._tick(apply)
            except Exception:
                log.exception("probation_failed")
                self._context.metrics.task_failures.labels("probation").inc()
            await asyncio.sleep(TICK_S)

    async def _tick(self, apply: Callable[[], Awaitable[None]]) -> None:
        config, now_s = self._context.config, self._context.monotonic()
        step_s, self._ticked_s = min(now_s - self._ticked_s, STEP_MAX_S), now_s
        self._context.metrics.on_probation.set(config.trial is not None)
        if config.trial is None:
            self._note_read()
            self._note_unheard()
            return
        if now_s - max(self._started_s, self._began_s) >= LIVED_S:
            config.lived()
        if any(one.open for one in config.trial.watched.values()):
            self._elapsed_s += step_s
        self.observe()
        if config.trial is not None:
            await self._judge(config.trial, apply)

    async def _judge(self, trial: Trial, apply: Callable[[], Awaitable[None]]) -> None:
        """Undo the change where it keeps a meter from being read, and give up meters that going back would not help."""
        late = [key for key, one in trial.watched.items() if one.open and self._is_late(trial, one)]
        parts = {key: self._parts(key) for key in late}
        if any(parts.values()):
            await self._revert([key for key in late if parts[key]], parts, apply)
        elif late:
            self._give_up(late)
            self.observe()

    def observe(self) -> None:
        """See who spoke and who was read by now; what these prove is good, also where another change comes next."""
        config = self._context.config
        if config.trial is not None:
            self._admit(config.trial)
            self._progress()
        if config.trial is not None and self._has_passed(config.trial):
            self._confirm()

    def _admit(self, trial: Trial) -> None:
        """Watch each meter that speaks: its own probation begins now."""
        context = self._context
        new = [
            key
            for key, meter in trial.desired.meters.items()
            if meter.spec is not None and key not in trial.watched and self._spoke(key)
        ]
        for key in new:
            context.config.watch(key, context.config.read.get(key, 0.0), self._elapsed_s)
        if new:
            context.effective.report(context.config.verdict())

    def _spoke(self, key: str) -> bool:
        state = self._context.health.of(key)
        return max(state.heard_s, state.read_s) >= self._began_s

    def _progress(self) -> None:
        """Keep who was read, at once, and the time now and then while somebody is waited for."""
        config, health = self._context.config, self._context.health
        watched = config.trial.watched if config.trial is not None else {}
        proven = {key for key, one in watched.items() if not one.proven and health.of(key).read_s >= self._began_s}
        if proven or self._elapsed_s - self._saved_s >= SAVE_EVERY_S:
            self._saved_s = self._elapsed_s
            config.progress(self._elapsed_s, proven)
        if proven and config.trial is not None and not self._has_passed(config.trial):
            self._context.effective.report(config.verdict())

    @staticmethod
    def _has_passed(trial: Trial) -> bool:
        watched = trial.watched.values()
        return any(one.proven for one in watched) and not any(one.open for one in watched)

    def _is_late(self, trial: Trial, one: Watched) -> bool:
        probation_s = trial.desired.parameters.probation_s
        if self._resumed and self._ticked_s - self._started_s < min(probation_s, GRACE_S):
            return False
        return self._elapsed_s - one.from_s >= max(probation_s, one.patience_s)

    def _parts(self, key: str) -> tuple[Part, ...]:
        """What of the change is to blame for a meter, by content; nothing where going back would not help it."""
        context = self._context
        state, config = context.health.of(key), context.config
        if self._is_gone(key):
            return ()
        suspects = state.suspects if state.heard_s >= self._began_s else ()
        meter = config.meter(key)
        if meter is not None and meter.spec is not None and context.effective.specs.get(meter.spec) is None:
            suspects = (spec_field(key),)
        if not suspects and config.good_version is None:
            # the first configuration of all is not what keeps a meter silent that is not heard
            return ()
        return parts_of(key, suspects, config.changes())

    def _is_gone(self, key: str) -> bool:
        """Whether another meter has taken its place since the change."""
        state = self._context.health.of(key)
        present = {meter.key for meter in self._context.registry.meters}
        return state.was_heard and state.heard_s < self._began_s and key not in present

    def _why(self, key: str) -> str:
        context = self._context
        state, meter = context.health.of(key), context.config.meter(key)
        ref = meter.spec if meter is not None else None
        if ref is not None and context.effective.specs.get(ref) is None:
            why = f"spec {ref} has not come"
        elif state.heard_s >= self._began_s:
            why = f"by {ref}: {state.failure or 'its frames could not be read'}"
        elif self._is_gone(key):
            why = "another meter has taken its place"
        else:
            why = "nothing was heard of it"
        trial = context.config.trial
        since_s = trial.watched[key].from_s if trial is not None and key in trial.watched else 0.0
        return f"no good reading in {self._elapsed_s - since_s:.0f} s: {why}"[:4096]

    async def _revert(
        self, guilty: list[str], parts: dict[str, tuple[Part, ...]], apply: Callable[[], Awaitable[None]]
    ) -> None:
        context = self._context
        found = {repr(part): part for key in guilty for part in parts[key]}
        reasons = tuple(Reason(field=f"meters.{key}", reason=self._why(key)) for key in guilty)
        context.config.revert(reasons, tuple(found.values()))
        self.begin()
        await apply()
        context.effective.report(context.config.verdict())
        await self._send_event()

    def _give_up(self, late: list[str]) -> None:
        """Say of meters that they can't be read, and wait for them no longer."""
        context = self._context
        whys = {key: self._why(key) for key in late}
        context.config.give_up(whys)
        for key, why in whys.items():
            context.outgoing.event("meter_not_read", "warning", meter=key, version=context.config.version, reason=why)
        context.effective.report(context.config.verdict())

    def _confirm(self) -> None:
        context = self._context
        context.config.confirm()
        context.metrics.on_probation.set(0)
        context.outgoing.event("config_confirmed", version=context.config.version)
        context.effective.report(context.config.verdict())

    async def _send_event(self) -> None:
        """Send the event of a revert, once a run until it is on the disk."""
        context, failed = self._context, self._context.config.failed
        if failed is None or failed.told or self._reported_version == failed.desired.version:
            return
        self._reported_version = failed.desired.version
        context.metrics.config_reverted.inc()
        context.outgoing.event(
            "config_reverted",
            "error",
            version=failed.desired.version,
            in_force=context.config.version,
            author=failed.desired.author,
            held_back=list(context.config.held_back()),
            reasons=[f"{reason.field}: {reason.reason}" for reason in failed.reasons],
        )
        if await context.make_durable():
            context.config.revert_reported()

    def _note_read(self) -> None:
        """Keep on disk which meters are read, so that a change which comes first after a start can be judged."""
        config, being_read = self._context.config, self._context.health.being_read()
        new = {
            key: patience
            for key, patience in being_read.items()
            if config.meter(key) is not None
            and (key not in config.read or not config.read[key] / 2 <= patience <= config.read[key] * 2 + TICK_S)
        }
        if new:
            config.note_read(new)

    def _note_unheard(self) -> None:
        """A meter that has not spoken under what is in force, and was read by what was good before, is watched too."""
        config, health = self._context.config, self._context.health
        spoke = [key for key in config.unheard if self._spoke(key)]
        read = [key for key in spoke if health.of(key).read_s >= self._began_s]
        if read:
            config.heard(read)
        late = next((key for key in spoke if key not in read), None)
        if late is not None:
            config.reopen(late)
            self.begin()
            self._context.effective.report(config.verdict())
