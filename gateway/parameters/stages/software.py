"""How a device takes a staged change of its software, by what its updater says. Pure functions."""

from dataclasses import replace
from datetime import datetime, timedelta

from gateway.parameters.stages.plan import Member, SoftwareSeen, Stage


def installed(stage: Stage, member: Member, seen: SoftwareSeen, now: datetime, *, online: bool) -> Member | None:
    """As a device stands whose updater has not confirmed yet; None where it has, or was to get no other software.

    What its updater refused or went back from speaks against the change, and so does a trial of which nobody tells the
    end: the new software may have cut the device off. Who has no updater, is away, or can't fetch it, proves nothing:
    `unreachable`, which is waited for no longer than the timeout.
    """
    if member.software is None or (seen.version == member.software and seen.state == "confirmed"):
        return None
    if seen.version < member.software:
        return _untaken(stage, member, seen, now, online=online)
    if seen.version > member.software:
        why = "it was given other software meanwhile"
        return None if member.state == "healthy" else replace(member, state="unreachable", why=why)
    return _taken(stage, member, seen, now)


def _taken(stage: Stage, member: Member, seen: SoftwareSeen, now: datetime) -> Member:
    """Of one whose updater is at work on it, or has given it up."""
    if seen.state in ("refused", "rolled_back"):
        return replace(member, state="failed", why=f"{seen.state}: {_reasons(seen)}"[:500])
    if seen.state == "trial":
        return _on_trial(stage, member, seen, now)
    if _is_late(stage, now):
        return replace(member, state="unreachable", why=f"{seen.state}: {_reasons(seen)}"[:500])
    return replace(member, state="pending", why=None)


def _untaken(stage: Stage, member: Member, seen: SoftwareSeen, now: datetime, *, online: bool) -> Member:
    """Of one whose updater has not said that it knows of it."""
    if not _is_late(stage, now):
        return member
    if not online:
        return replace(member, state="unreachable", why="offline")
    if not seen.version:
        return replace(member, state="unreachable", why="no updater of it has ever reported")
    return replace(member, state="failed", why=f"its updater has not taken it in {stage.timeout_s:g} s")


def _on_trial(stage: Stage, member: Member, seen: SoftwareSeen, now: datetime) -> Member:
    limit = timedelta(seconds=seen.probation_s + stage.timeout_s)
    if seen.since is not None and now - seen.since >= limit:
        return replace(member, state="failed", why=f"no end of its trial in {limit.total_seconds():g} s")
    return replace(member, state="applied", why=None)


def _is_late(stage: Stage, now: datetime) -> bool:
    return now - stage.step_at >= timedelta(seconds=stage.timeout_s)


def _reasons(seen: SoftwareSeen) -> str:
    return "; ".join(seen.reasons) or "no reason given"
