"""How devices take a staged change, and what follows from how all of them did. Pure functions."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from broker.wording import counted
from gateway.parameters.stages.plan import Member, Observation, Stage, Verdict
from gateway.parameters.stages.software import installed

QUIET_INTERVALS: Final = 3
"""A meter may miss so many of its intervals before its device counts as silent."""

ADDRESS: Final = "broker_address"


def observed(stage: Stage, member: Member, observation: Observation, now: datetime) -> Member:
    """The member as what is observed of it makes it."""
    if member.state == "failed" or not member.is_touched:
        return member
    both = (
        _configured(stage, member, observation, now),
        installed(stage, member, observation.software, now, online=observation.online),
    )
    open_ = [one for one in both if one is not None]
    if open_:
        return next((one for one in open_ if one.state == "failed"), open_[0])
    return member if member.state == "healthy" else _applied(stage, member, observation, now)


def _configured(stage: Stage, member: Member, observation: Observation, now: datetime) -> Member | None:
    """As a device stands that has not the configuration in force; None where it has, or was to get no other."""
    if member.version is None:
        return None
    if observation.trouble is not None:
        return replace(member, state="failed", why=f"event {observation.trouble}")
    if observation.reported_version < member.version:
        return _unreported(stage, member, observation, now)
    if observation.reported_state != "applied" and not _is_spared(stage, observation):
        reasons = "; ".join(observation.reasons) or "no reason given"
        return replace(member, state="failed", why=f"{observation.reported_state}: {reasons}"[:500])
    return None


def _is_spared(stage: Stage, observation: Observation) -> bool:
    """Whether what the device holds back, reverted before, is nothing of this change."""
    ours = {f"parameters.{name}" for name in stage.changes}
    return (
        observation.reported_state == "reverted"
        and bool(observation.held_back)
        and not ours & set(observation.held_back)
    )


def _unreported(stage: Stage, member: Member, observation: Observation, now: datetime) -> Member:
    if now - stage.step_at < timedelta(seconds=stage.timeout_s):
        return member
    if not observation.online:
        return replace(member, state="unreachable", why="offline")
    return replace(member, state="failed", why=f"no report in {stage.timeout_s:g} s")


def _applied(stage: Stage, member: Member, observation: Observation, now: datetime) -> Member:
    since = member.applied_at or _in_force_since(member, observation) or now
    applied = replace(member, state="applied", why=None, applied_at=since)
    if ADDRESS in stage.changes and not observation.online:
        return _gone(stage, member, observation, applied, late=now - since >= timedelta(seconds=stage.timeout_s))
    if _on_probation(member, observation) and now - since >= timedelta(seconds=stage.timeout_s):
        # for so long that no meter can be counted on to end it
        return replace(applied, state="unreachable", why="never confirmed: no meter has given a reading by it")
    settled = not _on_probation(member, observation) and now - since >= timedelta(seconds=stage.settle_s)
    if not member.reads:
        return replace(applied, state="healthy") if settled else applied
    quiet = timedelta(seconds=max(stage.settle_s, QUIET_INTERVALS * observation.interval_s))
    if now - max(since, observation.reading_at or since) > quiet:
        return replace(applied, state="failed", why=f"no reading for {quiet.total_seconds():g} s")
    reads = observation.reading_at is not None and observation.reading_at > since
    return replace(applied, state="healthy") if settled and reads else applied


def _gone(stage: Stage, member: Member, observation: Observation, applied: Member, *, late: bool) -> Member:
    """One that went to another broker, as it was told, where its readings are not ours to see: its word counts."""
    if not _on_probation(member, observation):
        return replace(applied, state="healthy")
    why = f"gone from here, and no word from there in {stage.timeout_s:g} s"
    return replace(applied, state="unreachable", why=why) if late else applied


def _in_force_since(member: Member, observation: Observation) -> datetime | None:
    """When it had all of the change in force."""
    known = (
        observation.reported_at if member.version is not None else None,
        observation.software.since if member.software is not None else None,
    )
    return max((one for one in known if one is not None), default=None)


def _on_probation(member: Member, observation: Observation) -> bool:
    """Whether it may still go back from the configuration by itself; an updater that may has not confirmed yet."""
    return member.version is not None and observation.probation


def judged(stage: Stage, members: Iterable[Member], now: datetime) -> Verdict:
    """What follows from how all members took the change."""
    touched = [one for one in members if one.is_touched]
    failed = [one for one in touched if one.state == "failed"]
    if touched and 100 * len(failed) > stage.max_failed * len(touched):
        first = min(failed, key=lambda one: one.name)
        return Verdict(
            "roll_back", f"{len(failed)} of {counted(len(touched), 'device')} failed, such as {first.name}: {first.why}"
        )
    ours = [one for one in touched if one.step == stage.step]
    if any(one.state in ("pending", "applied") for one in ours):
        return Verdict("wait")
    if not ours:
        return Verdict("advance")
    if not any(one.state == "healthy" for one in touched):
        first = min(touched, key=lambda one: one.name)
        have = counted(len(touched), "device")
        return Verdict("pause", f"of {have} none could be judged, such as {first.name}: {first.why}")
    if now - stage.step_at < timedelta(seconds=stage.settle_s):
        return Verdict("wait")
    return Verdict("advance")
