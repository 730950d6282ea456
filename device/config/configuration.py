"""The desired configuration: taken or refused as a whole, the last good one kept on disk, and what to report of it."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from broker.contract.messages import VERSION_CEILING, Desired, MeterConfig, Parameters, Reason, ReportedState
from device.config.desired import REASONS_MAX, RefusedError, read_desired
from device.config.fallback import carried, changed, each, fallback, held_reasons, same_content, values, without
from device.config.state_file import WATCHED_MAX, ConfigState, ConfigStateFile, Failed, Part, Spare, Trial, Watched

STARTS_MAX: Final = 5
"""Starts of the agent in the middle of one trial: a configuration that ends the agent must not do so for ever."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a desired configuration; `version` is the one it speaks of, 0 where none could be read."""

    state: ReportedState
    version: int
    reasons: tuple[Reason, ...] = ()
    changed: bool = False

    @property
    def applied(self) -> bool:
        """Whether that version is in force."""
        return self.state == "applied"


SelectWatched = Callable[[Desired], dict[str, Watched]]
"""Says which meters a new configuration must not silence; none where there is nothing to judge it by."""


class Configuration:
    """The configuration in force: version 0 with defaults until a desired one is applied.

    A change goes on trial until a meter was read by it. What failed is known by its content and is not put in force
    again by another change. Each method that changes anything has it on the disk before it returns, in one atomic
    write.
    """

    def __init__(self, file: Path) -> None:
        self._file = ConfigStateFile(file)
        self._state = ConfigState()

    def load(self) -> None:
        """Take up what the last run left, a trial included; one that was begun too often without an end has failed."""
        self._state = self._file.load()
        trial = self._state.trial
        if trial is None:
            return
        if trial.starts >= STARTS_MAX:
            reason = f"the agent was started {trial.starts} times before the version could prove itself"
            self.revert((Reason(field="version", reason=reason),), each(self.changes()))
        else:
            self._save(trial=trial.model_copy(update={"starts": trial.starts + 1}))

    @property
    def damage(self) -> str:
        """What `load` found wrong with the file, empty where it was whole."""
        return self._file.damage

    @property
    def version(self) -> int:
        """The version in force, 0 before the first."""
        desired = self._state.in_force
        return desired.version if desired else 0

    @property
    def good_version(self) -> int | None:
        """The last version that proved itself, None where none ever did."""
        good = self._state.good
        return good.version if good is not None else None

    @property
    def parameters(self) -> Parameters:
        """The parameters in force."""
        desired = self._state.in_force
        return desired.parameters if desired else Parameters()

    @property
    def trial(self) -> Trial | None:
        """The change that must still prove itself."""
        return self._state.trial

    @property
    def failed(self) -> Failed | None:
        """The version that was reverted last and is not tried again by itself."""
        return self._state.failed

    @property
    def read(self) -> Mapping[str, float]:
        """Meters that gave readings under the last good configuration, with their patience in seconds."""
        return self._state.read

    def meter(self, key: str) -> MeterConfig | None:
        """What the config service says of a meter; None where it has not spoken yet."""
        desired = self._state.in_force
        return desired.meters.get(key) if desired else None

    def spec_refs(self) -> frozenset[str]:
        """All specs that the configuration names, and those of the one that a trial may go back to."""
        spare = self._state.spare
        kept = (self._state.in_force, self._state.good, spare.desired if spare else None)
        distinct = {id(one): one for one in kept if one is not None}
        return frozenset(meter.spec for one in distinct.values() for meter in one.meters.values() if meter.spec)

    def changes(self) -> dict[str, Any]:
        """What the configuration in force changed against the one that it could go back to, by field."""
        state = self._state
        return changed(state.in_force, state.good) if state.in_force is not None else {}

    def falls_back(self, key: str) -> bool:
        """Whether a meter has another spec in the configuration that a trial may go back to."""
        good, now = self._state.good, self.meter(key)
        before = good.meters.get(key) if good is not None else None
        return before is not None and before.spec is not None and before != now

    def held_back(self) -> tuple[str, ...]:
        """The fields of the newest version that are not in force because they were reverted."""
        failed, now = self._state.failed, self._state.in_force
        if failed is None:
            return ()
        current = values(now or Desired(version=1))
        return tuple(field for field, value in values(failed.desired).items() if current.get(field) != value)

    def verdict(self) -> Verdict:
        """What is to be said of the newest version that was in force."""
        state = self._state
        failed, now, trial = state.failed, state.in_force, state.trial
        if failed is not None:
            same = now is not None and now.version == failed.desired.version
            reasons_kept = (
                held_reasons(carried(failed.parts, failed.desired), failed.tried, now) if same and now else ()
            )
            return Verdict("reverted", failed.desired.version, (*reasons_kept, *failed.reasons)[:REASONS_MAX])
        unread = {key: one.why for key, one in trial.watched.items() if one.why} if trial is not None else {}
        reasons = [Reason(field=f"meters.{key}", reason=why) for key, why in unread.items()]
        return Verdict("applied", self.version, tuple(reasons[:REASONS_MAX]))

    def consider(self, payload: bytes, watch: SelectWatched = lambda _desired: {}) -> Verdict:
        """Apply a received configuration, or refuse it and keep the one in force."""
        try:
            desired = read_desired(payload)
        except RefusedError as refused:
            return Verdict("refused", refused.version, refused.reasons)
        if desired.hash is None:
            # a person's, which the gateway judges, completes and publishes again; or refuses, and nothing of it counts
            return self.verdict()
        state = self._state
        now, failed = state.in_force, state.failed
        if failed is not None and desired.digest() == failed.desired.digest():
            return self.verdict()
        if now is not None and desired.digest() == now.digest():
            return self.verdict() if failed is None else Verdict("applied", desired.version)
        if not state.newest_version < desired.version <= VERSION_CEILING:
            reason = Reason(field="version", reason=_stale(desired.version, state))
            return Verdict("refused", desired.version, (reason,))
        return self._take(desired, watch)

    def retry(self, watch: SelectWatched = lambda _desired: {}) -> Verdict | None:
        """Try what was reverted again, as the newest version has it; None where nothing was reverted."""
        failed = self._state.failed
        if failed is None:
            return None
        self._begin(failed.desired, watch)
        return Verdict("applied", failed.desired.version, changed=True)

    def watch(self, key: str, patience_s: float, from_s: float) -> None:
        """A meter speaks that the trial did not watch yet."""
        trial = self._state.trial
        if trial is not None and len(trial.watched) < WATCHED_MAX:
            watched = {**trial.watched, key: Watched(patience_s=patience_s, from_s=from_s)}
            self._save(trial=trial.model_copy(update={"watched": watched, "elapsed_s": from_s}))

    def progress(self, elapsed_s: float, proven: Collection[str]) -> None:
        """Keep how far the trial has come."""
        trial = self._state.trial
        if trial is not None:
            watched = {
                key: one.model_copy(update={"proven": True, "why": ""}) if key in proven else one
                for key, one in trial.watched.items()
            }
            self._save(trial=trial.model_copy(update={"elapsed_s": elapsed_s, "watched": watched}))

    def give_up(self, whys: Mapping[str, str]) -> None:
        """Meters gave no good reading in time, and going back would not help them: nobody waits for them any more."""
        trial = self._state.trial
        if trial is not None:
            watched = {
                key: one.model_copy(update={"why": whys[key]}) if key in whys else one
                for key, one in trial.watched.items()
            }
            self._save(trial=trial.model_copy(update={"watched": watched}))

    def lived(self) -> None:
        """The agent has run long enough under the trial not to be ended by it."""
        trial = self._state.trial
        if trial is not None and trial.starts:
            self._save(trial=trial.model_copy(update={"starts": 0}))

    def confirm(self) -> None:
        """The trial is passed: what is in force is good."""
        self._save(good=self._state.in_force, trial=None, spare=self._spare())

    def revert(self, reasons: tuple[Reason, ...], parts: Iterable[Part] = ()) -> None:
        """The trial has failed by `parts`: the last good configuration is in force again.

        Meters that it did not know keep their specs, and what holds then must prove itself in its turn.
        """
        state, trial = self._state, self._state.trial
        if trial is None:
            return
        before = state.failed
        newest = before.desired if before is not None else trial.desired
        failed = Failed(
            desired=newest,
            reasons=reasons[:REASONS_MAX],
            parts=(*carried(before.parts, newest), *parts) if before is not None else tuple(parts),
            tried=trial.desired.version,
        )
        # without anything to blame, as where it ended the agent, new meters' specs are suspects too
        back = fallback(trial.desired, state.good, failed.parts) if failed.parts else state.good or trial.desired
        if state.good is None and same_content(back, trial.desired):
            # nothing to go back to
            self._save(trial=trial.model_copy(update={"starts": 0}))
        elif state.good is not None and same_content(back, state.good):
            self._save(trial=None, failed=failed)
        else:
            # what holds now begins anew, and so do the meters that speak
            self._save(trial=Trial(desired=back, watched={}), failed=failed)

    def withhold(self, reasons: tuple[Reason, ...], part: Part) -> None:
        """What no meter can judge has failed: it alone is undone, where the rest is good as where it is on trial."""
        state, good, trial = self._state, self._state.good, self._state.trial
        now = state.in_force
        if now is None or good is None:
            self.revert(reasons, (part,))
            return
        newest = state.failed.desired if state.failed is not None else now
        parts = carried(state.failed.parts, newest) if state.failed is not None else ()
        failed = Failed(desired=newest, reasons=reasons[:REASONS_MAX], parts=(*parts, part), tried=now.version)
        # good already, or of this very trial, which then goes back to what is good and stays open
        if carried((part,), good):
            good = without(good, None, part)
        if trial is not None and carried((part,), trial.desired):
            trial = trial.model_copy(update={"desired": without(trial.desired, good, part)})
        if trial is not None and same_content(trial.desired, good):
            # it changed nothing else
            trial = None
        self._save(good=good, trial=trial, failed=failed)

    @property
    def unheard(self) -> tuple[str, ...]:
        """Meters that have not spoken since the configuration in force took the place of an earlier good one."""
        spare = self._state.spare
        return spare.unheard if spare is not None and self._state.trial is None else ()

    def reopen(self, key: str) -> None:
        """One of `unheard` speaks and can't be read: what is in force is tried again, against what was good before."""
        state, spare = self._state, self._state.spare
        if spare is not None and state.good is not None and key in self.unheard:
            watched = {key: Watched(patience_s=state.read.get(key, 0.0))}
            self._save(good=spare.desired, trial=Trial(desired=state.good, watched=watched))

    def heard(self, keys: Collection[str]) -> None:
        """Some of `unheard` gave a good reading."""
        spare = self._state.spare
        if spare is not None:
            left = tuple(key for key in spare.unheard if key not in keys)
            self._save(spare=spare.model_copy(update={"unheard": left}) if left else None)

    def revert_reported(self) -> None:
        """The revert's event is where it can't be lost."""
        failed = self._state.failed
        if failed is not None:
            self._save(failed=failed.model_copy(update={"told": True}))

    def note_read(self, meters: Mapping[str, float]) -> None:
        """Keep which meters give readings now, with their patience; those that are configured no more are left out."""
        known = {**self._state.read, **meters}
        kept = {key: patience for key, patience in known.items() if self.meter(key) is not None}
        self._save(read=dict(list(kept.items())[-WATCHED_MAX:]))

    def _take(self, desired: Desired, watch: SelectWatched) -> Verdict:
        """Put a new version in force, without those parts of it that were reverted before."""
        failed = self._state.failed
        parts = carried(failed.parts or each(changed(failed.desired, self._state.good)), desired) if failed else ()
        if failed is None or not parts or not desired.parameters.probation_s:
            self._begin(desired, watch)
            return Verdict("applied", desired.version, changed=True)
        fields = {field for part in parts for field in part}
        tried = failed.tried or failed.desired.version
        failed = failed.model_copy(update={"desired": desired, "parts": parts, "tried": tried})
        self._begin(without(desired, self._state.good, fields), watch, failed)
        return replace(self.verdict(), changed=True)

    def _begin(self, desired: Desired, watch: SelectWatched, failed: Failed | None = None) -> None:
        if same_content(self._state.good, desired) or not desired.parameters.probation_s:
            self._save(good=desired, trial=None, failed=failed)
        else:
            self._save(trial=Trial(desired=desired, watched=watch(desired)), failed=failed)

    def _spare(self) -> Spare | None:
        """What the meters may go back to that have not spoken in the trial that is passed now.

        While one of them has not spoken since longer ago, that is what was good then.
        """
        state, trial = self._state, self._state.trial
        if trial is None:
            return state.spare
        given = (key for key, meter in trial.desired.meters.items() if meter.spec is not None)
        silent = {key for key in given if key not in trial.watched}
        older = state.spare
        if older is not None and silent & set(older.unheard):
            return older.model_copy(update={"unheard": tuple(sorted(silent))})
        if state.good is None or not silent:
            return None
        return Spare(desired=state.good, unheard=tuple(sorted(silent))[:WATCHED_MAX])

    def _save(self, **changes: Any) -> None:
        # in force all the same where the disk refuses
        self._state = self._state.model_copy(update=changes)
        self._file.save(self._state)


def _stale(version: int, state: ConfigState) -> str:
    if version > VERSION_CEILING:
        return f"{version} leaves no room to rise; at most {VERSION_CEILING}"
    newest = state.newest_version
    if state.failed is not None and newest == state.failed.desired.version:
        return f"version {newest} was tried and reverted; give a higher one"
    if version == newest:
        return f"version {newest} is in force with other content"
    return f"version {newest} is in force, which is newer"
