"""One step after another from what the platform desires to what runs, each of which may be the last before a power cut.

What a step begins is written down before it is done, and each can be done again. Nothing is stopped before what follows
it is fetched, checked, built and tried out; what has proven itself stays until another has.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import structlog

from broker.contract.messages import Reason
from broker.errors import ContractError, TransientError
from device import mailbox
from device.releases.verification import OutdatedReleasesError, UntrustedReleaseError
from device.updater import health, trials
from device.updater.environment import Environment
from device.updater.health import Look, Trial, Work
from device.updater.installation import Installation
from device.updater.journal import Journal, now, reason
from device.updater.progress import Outcome, Progress
from device.updater.slots import CURRENT, FALLBACK, UPDATER

log = structlog.get_logger()

RETRY_CAP_S: Final = 3600.0
NOTE_EVERY_S: Final = 60.0
NEWS: Final = timedelta(hours=1)


class AgentControl(Protocol):
    """What the updater can do with the agent: ask how it is, and have it started from the current slot."""

    def look(self) -> Look:
        """How it is now."""

    def restart(self) -> None:
        """Stop it, and start what is current. What goes wrong is logged: the looks will tell."""

    def reachable(self) -> bool:
        """Whether the platform's broker could be reached now, whoever runs here."""


class Updater:
    """Takes one step at each call of `step`; its memory is on the disk."""

    def __init__(
        self,
        installation: Installation,
        inbox: Path,
        state: Path,
        agent: AgentControl,
        *,
        look_every_s: float,
        retry_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._installation = installation
        self._slots = installation.slots
        self._inbox = inbox
        self._agent = agent
        self._every_s = look_every_s
        self._retry_s = retry_s
        self._clock = clock
        self._journal = Journal(state, self._slots.described(CURRENT), self._slots.described(UPDATER))
        self._failures = 0
        self._not_before_s = 0.0
        self._compared_s: float | None = None
        """When the old software was first looked at, once the new one is ready."""
        self._work = self._journal.progress.work or Work()
        self._noted_s: float | None = None
        self._ready: Environment | None = None
        """What is installed and waits for its trial."""
        self._looked_s: float | None = None
        self._entered_s: float | None = None
        """When this process has seen to it that the phase's slot is current and the agent started from it."""
        self._tidy = False
        self._unread = ""

    @property
    def progress(self) -> Progress:
        """How far it has got."""
        return self._journal.progress

    @property
    def succeeded_by(self) -> str:
        """The slot of the updater that should run in place of any other, empty where nothing is settled."""
        confirmed = self.progress.confirmed
        if confirmed is None or self.progress.phase != "idle" or self._slots.linked(UPDATER) != confirmed.slot:
            return ""
        return confirmed.slot

    def step(self) -> float:
        """Do the next step; returns seconds until there may be another. Raises OSError where the disk refuses."""
        try:
            self._journal.catch_up()
        except OSError:
            begins = self.progress.phase == "trial" and self._entered_s is None and not self._journal.saved
            if begins or self.progress.phase not in ("trial", "going_back"):
                raise
            # a disk that takes nothing is no reason to leave a bad release where it is
        self._take_desired()
        self._tidy = self._tidy and self.progress.phase == "idle"
        match self.progress.phase:
            case "fetching":
                return self._fetch()
            case "trial":
                return self._watch()
            case "going_back":
                return self._go_back()
        return self._rest()

    def _take_desired(self) -> None:
        """Begin what the platform desires, where that is another thing than what is in hand."""
        if self.progress.phase in ("trial", "going_back"):
            # what is on trial has its verdict first: the slot to return to must be known
            return
        try:
            desired, self._unread = mailbox.take_desired(self._inbox), ""
        except (ContractError, OSError) as error:
            if str(error) != self._unread:
                self._unread = str(error)
                log.warning("desired_software_unread", reason=self._unread)
            return
        if desired is None and self.progress.phase == "fetching":
            self._journal.settle("refused", [reason("release", "it is no longer desired")])
        if desired is None or desired == self.progress.desired:
            return
        self._failures, self._not_before_s, self._compared_s, self._ready = 0, 0.0, None, None
        self._journal.keep(
            phase="fetching", desired=desired, target=None, outcome=Outcome(state="fetching", began_at=now())
        )
        self._journal.report()

    def _fetch(self) -> float:
        if (left_s := self._not_before_s - self._clock()) > 0:
            return min(left_s, self._every_s)
        if self._ready is not None:
            return self._compare(self._ready)
        desired, confirmed = self.progress.desired, self.progress.confirmed
        assert desired is not None  # noqa: S101 - of this phase
        fetcher = self._installation.fetcher(desired.source)
        try:
            environment = self._installation.believed(desired.source, desired.release)
            if environment != confirmed:
                trials.check(self.progress.undone, desired, now())
                # what an earlier one has left must not take the room that this one wants
                self._slots.prune([one for one in (environment, confirmed, self.progress.before) if one is not None])
                self._installation.install(environment, fetcher)
        except (TransientError, OSError, OutdatedReleasesError) as error:
            return self._later(error, fetcher.octets)
        except (ContractError, UntrustedReleaseError) as error:
            self._journal.settle("refused", [_refusal(error)], fetcher.octets)
        else:
            if environment == confirmed:
                self._journal.settle("confirmed", [])
            else:
                self._journal.keep(outcome=self._journal.outcome("fetching", [], fetcher.octets))
                self._ready = environment
                return self._compare(environment)
        return self._every_s

    def _later(self, error: Exception, octets: int) -> float:
        """Try again after a while, for ever: what is away comes back, and a full disk may be emptied."""
        self._failures += 1
        wait_s = min(RETRY_CAP_S, self._retry_s * 2 ** min(self._failures - 1, 10))
        self._not_before_s = self._clock() + wait_s
        outcome = self._journal.outcome("waiting", [reason("source", str(error))], octets)
        if octets or self.progress.outcome is None or self.progress.outcome.reasons != outcome.reasons:
            self._journal.keep(outcome=outcome)
            self._journal.report()
        log.warning("software_waits", reason=str(error), retry_in_s=wait_s)
        return self._every_s

    def _compare(self, target: Environment) -> float:
        """See what the old software does, for a share of the probation at most: the new one must do as much in all."""
        desired = self.progress.desired
        assert desired is not None  # noqa: S101 - of this phase
        self._note()
        if self._compared_s is None:
            self._compared_s = self._clock()
        needs = health.needs_of(self._work, now(), target.release, desired.memory_limit_mib, desired.probation_s)
        if not needs.all and self._clock() - self._compared_s < desired.probation_s * health.STEADY:
            return self._every_s
        self._entered_s, self._looked_s, self._compared_s, self._ready = None, None, None, None
        self._journal.keep(
            phase="trial", target=target, needs=needs, trial=Trial(), why="", outcome=self._journal.outcome("trial", [])
        )
        self._journal.report()
        return 0.0

    def _note(self) -> None:
        """Note what the proven software does; on the disk where it is news."""
        self._noted_s, before = self._clock(), self.progress.work or Work()
        self._work = health.noted(self._work, self._agent.look(), now())
        if _is_news(before.read_at, self._work.read_at) or _is_news(before.confirmed_at, self._work.confirmed_at):
            self._journal.keep(work=self._work)

    def _watch(self) -> float:
        target, needs, trial = self.progress.target, self.progress.needs, self.progress.trial
        assert target is not None and needs is not None and trial is not None  # noqa: S101, PT018 - of this phase
        self._enter(target)
        now_s = self._clock()
        passed_s = 0.0 if self._looked_s is None else now_s - self._looked_s
        self._looked_s = now_s
        trial = health.observe(trial, self._agent.look(), passed_s, needs, reachable=self._agent.reachable())
        verdict = health.judge(trial, needs)
        if verdict.what == "confirm":
            before = self.progress.confirmed
            self._journal.settle("confirmed", [], confirmed=target, before=before, target=None, needs=None, trial=None)
        elif verdict.what == "go_back":
            log.error("software_goes_back", release=target.release, reason=verdict.why)
            self._entered_s = None
            self._journal.keep(phase="going_back", trial=trial, why=verdict.why[:256])
            return 0.0
        else:
            self._journal.keep(trial=trial)
        return self._every_s

    def _go_back(self) -> float:
        confirmed, target = self.progress.confirmed, self.progress.target
        assert confirmed is not None and target is not None  # noqa: S101, PT018 - of this phase
        entered_s = self._enter(confirmed)
        reasons = [reason("release", f"{target.release}: {self.progress.why}")]
        if self._agent.look().version != confirmed.release:
            if self._clock() - entered_s < health.DEAD_S:
                return self._every_s
            reasons.append(reason("running", f"{confirmed.release} was started and does not answer"))
        undone = trials.noted(self.progress.undone, target.release, now())
        self._journal.settle("rolled_back", reasons, target=None, needs=None, trial=None, undone=undone)
        return self._every_s

    def _rest(self) -> float:
        """See that the updater itself is of what has proven itself, and that nothing else takes room."""
        confirmed, now_is = self.progress.confirmed, self._slots.linked(UPDATER)
        if confirmed is not None and confirmed.slot not in (now_is, self.progress.unfit):
            if now_is:
                # first: who has just become the updater may not keep running
                self._slots.link(FALLBACK, now_is)
            self._slots.link(UPDATER, confirmed.slot)
        if confirmed is not None and not self._tidy:
            # the one before stays, too: a person may want it back, and it costs no fetching
            self._slots.prune([one for one in (confirmed, self.progress.before) if one is not None])
            self._tidy = True
        if self._noted_s is None or self._clock() - self._noted_s >= NOTE_EVERY_S:
            self._note()
        return self._every_s

    def _enter(self, environment: Environment) -> float:
        """See once in this process's life that a slot is current and the agent was started from it; returns when."""
        if self._entered_s is not None:
            return self._entered_s
        if self._slots.linked(CURRENT) != environment.slot:
            self._slots.link(CURRENT, environment.slot)
            self._agent.restart()
        elif self._agent.look().version != environment.release:
            # the link was set, and the cut came before the restart; or it does not answer, and a start does no harm
            self._agent.restart()
        self._entered_s = self._clock()
        return self._entered_s


def _is_news(before: datetime | None, after: datetime | None) -> bool:
    """Whether it is worth a write to the disk: a card does not take one for each reading."""
    return after is not None and (before is None or abs(after - before) >= NEWS)


def _refusal(error: ContractError | UntrustedReleaseError) -> Reason:
    if isinstance(error, UntrustedReleaseError):
        return reason("release", error.reason)
    return reason(error.field or "release", error.reason + (f" ({error.fix})" if error.fix else ""))
