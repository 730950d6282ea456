"""The desired configuration: taken or refused as a whole, the last good one kept on disk, and what to report of it."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from broker.messages import MAX_PAYLOAD_BYTES, VERSION_CEILING, Desired, MeterConfig, Parameters, Reason, ReportedState
from broker.plain_errors import plain_reason
from device.standing import WATCHED_MAX, Failed, Standing, StandingFile, Trial, Watched
from meters.obis_filter import PATTERN

REASONS_MAX: Final = 16
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


Watch = Callable[[Desired], dict[str, Watched]]
"""Says which meters a new configuration must not silence; none where there is nothing to judge it by."""


class Configuration:
    """The configuration in force: version 0 with defaults until a desired one is applied.

    A change goes on trial where meters are watched, and is taken as good at once where none are. Each method that
    changes anything has it on the disk before it returns, in one atomic write.
    """

    def __init__(self, file: Path) -> None:
        self._file = StandingFile(file)
        self._standing = Standing()

    def load(self) -> None:
        """Take up what the last run left, a trial included; one that was begun too often without an end has failed."""
        self._standing = self._file.load()
        trial = self._standing.trial
        if trial is None:
            return
        if trial.starts >= STARTS_MAX:
            reason = f"the agent was started {trial.starts} times before the version could prove itself"
            self.revert((Reason(field="version", reason=reason),))
        else:
            self._save(trial=trial.model_copy(update={"starts": trial.starts + 1}))

    @property
    def version(self) -> int:
        """The version in force, 0 before the first."""
        desired = self._standing.in_force
        return desired.version if desired else 0

    @property
    def parameters(self) -> Parameters:
        """The parameters in force."""
        desired = self._standing.in_force
        return desired.parameters if desired else Parameters()

    @property
    def trial(self) -> Trial | None:
        """The change that must still prove itself."""
        return self._standing.trial

    @property
    def failed(self) -> Failed | None:
        """The version that was reverted last and is not tried again by itself."""
        return self._standing.failed

    @property
    def read(self) -> Mapping[str, float]:
        """Meters that gave readings under the last good configuration, with their patience in seconds."""
        return self._standing.read

    def meter(self, key: str) -> MeterConfig | None:
        """What the config service says of a meter; None where it has not spoken yet."""
        desired = self._standing.in_force
        return desired.meters.get(key) if desired else None

    def spec_refs(self) -> frozenset[str]:
        """All specs that the configuration names, and those of the one that a trial may go back to."""
        held = {id(one): one for one in (self._standing.in_force, self._standing.good) if one is not None}
        return frozenset(meter.spec for one in held.values() for meter in one.meters.values() if meter.spec)

    def verdict(self) -> Verdict:
        """What is to be said of the newest version that was in force."""
        failed = self._standing.failed
        if failed is not None:
            return Verdict("reverted", failed.desired.version, failed.reasons)
        return Verdict("applied", self.version)

    def consider(self, payload: bytes, watch: Watch = lambda _desired: {}) -> Verdict:
        """Apply a received configuration, or refuse it and keep the one in force."""
        try:
            desired = _read(payload)
        except _RefusedError as refused:
            return Verdict("refused", refused.version, refused.reasons)
        if desired.hash is None:
            # a person's, which the gateway judges, completes and publishes again; or refuses, and nothing of it counts
            return self.verdict()
        standing = self._standing
        now, failed = standing.in_force, standing.failed
        if failed is not None and desired.digest() == failed.desired.digest():
            return self.verdict()
        if now is not None and desired.digest() == now.digest():
            return Verdict("applied", desired.version)
        if not standing.newest_version < desired.version <= VERSION_CEILING:
            reason = Reason(field="version", reason=_stale(desired.version, standing))
            return Verdict("refused", desired.version, (reason,))
        self._begin(desired, watch)
        return Verdict("applied", desired.version, changed=True)

    def retry(self, watch: Watch = lambda _desired: {}) -> Verdict | None:
        """Try the version again that was reverted; None where there is none."""
        failed = self._standing.failed
        if failed is None:
            return None
        self._begin(failed.desired, watch)
        return Verdict("applied", failed.desired.version, changed=True)

    def progress(self, elapsed_s: float, proven: Collection[str]) -> None:
        """Keep how far the trial has come."""
        trial = self._standing.trial
        if trial is not None:
            watched = {
                key: one.model_copy(update={"proven": one.proven or key in proven})
                for key, one in trial.watched.items()
            }
            self._save(trial=trial.model_copy(update={"elapsed_s": elapsed_s, "watched": watched}))

    def confirm(self) -> None:
        """The trial is passed: what is in force is good."""
        self._save(good=self._standing.in_force, trial=None)

    def revert(self, reasons: tuple[Reason, ...]) -> None:
        """The trial has failed: the last good configuration is in force again."""
        trial = self._standing.trial
        if trial is not None:
            self._save(trial=None, failed=Failed(desired=trial.desired, reasons=reasons[:REASONS_MAX]))

    def told(self) -> None:
        """The revert's event is where it can't be lost."""
        failed = self._standing.failed
        if failed is not None:
            self._save(failed=failed.model_copy(update={"told": True}))

    def note_read(self, meters: Mapping[str, float]) -> None:
        """Keep which meters give readings now, with their patience; those that are configured no more are left out."""
        known = {**self._standing.read, **meters}
        kept = {key: patience for key, patience in known.items() if self.meter(key) is not None}
        self._save(read=dict(list(kept.items())[-WATCHED_MAX:]))

    def _begin(self, desired: Desired, watch: Watch) -> None:
        good = self._standing.good
        same = good is not None and (good.parameters, good.meters) == (desired.parameters, desired.meters)
        watched = {} if same or not desired.parameters.probation_s else watch(desired)
        if watched:
            self._save(trial=Trial(desired=desired, watched=watched), failed=None)
        else:
            self._save(good=desired, trial=None, failed=None)

    def _save(self, **changes: Any) -> None:
        # in force all the same where the disk refuses
        self._standing = self._standing.model_copy(update=changes)
        self._file.save(self._standing)


def _stale(version: int, standing: Standing) -> str:
    if version > VERSION_CEILING:
        return f"{version} leaves no room to rise; at most {VERSION_CEILING}"
    newest = standing.newest_version
    if standing.failed is not None and newest == standing.failed.desired.version:
        return f"version {newest} was tried and reverted; give a higher one"
    if version == newest:
        return f"version {newest} is in force with other content"
    return f"version {newest} is in force, which is newer"


class _RefusedError(Exception):
    def __init__(self, version: int, reasons: tuple[Reason, ...]) -> None:
        super().__init__()
        self.version = version
        self.reasons = reasons


def _read(payload: bytes) -> Desired:
    if len(payload) > MAX_PAYLOAD_BYTES:
        text = f"{len(payload)} bytes; at most {MAX_PAYLOAD_BYTES}"
        raise _RefusedError(0, (Reason(field="payload", reason=text),))
    try:
        desired = Desired.model_validate_json(payload, extra="ignore")
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)[:REASONS_MAX]
        reasons = tuple(
            Reason(field=(".".join(map(str, p["loc"])) or "payload")[:256], reason=plain_reason(p)[:1024])
            for p in problems
        )
        raise _RefusedError(_version(payload), reasons) from error
    except (ValueError, ArithmeticError, RecursionError) as error:
        # a time that is none in UTC
        reason = Reason(field="payload", reason=str(error)[:1024])
        raise _RefusedError(_version(payload), (reason,)) from error
    reasons = tuple(
        Reason(field=f"parameters.{name}.{n}", reason=f"{pattern!r} fits no OBIS code; digits, * . : - & are allowed")
        for name in ("obis_include", "obis_exclude")
        for n, pattern in enumerate(getattr(desired.parameters, name))
        if not PATTERN.fullmatch(pattern)
    )
    if reasons:
        raise _RefusedError(desired.version, reasons[:REASONS_MAX])
    return desired


def _version(payload: bytes) -> int:
    try:
        document: Any = json.loads(payload)
    except (ValueError, RecursionError):
        return 0
    version = document.get("version") if isinstance(document, dict) else None
    return version if isinstance(version, int) and not isinstance(version, bool) and 0 <= version <= 2**53 else 0
