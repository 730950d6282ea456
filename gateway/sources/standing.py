"""How a source stands, in words that a person can act on."""

from datetime import datetime, timedelta
from typing import Final

from broker.wording import counted
from gateway.sources.store import SourceState
from gateway.wording import when

OVERDUE: Final = timedelta(minutes=5)
"""A payload that has waited for longer waits for a worker, and no more for its turn."""


def fault_of(one: SourceState, now: datetime) -> str:
    """What is wrong with a source and what would mend it; empty where nothing is, or where it is off by intent."""
    if not one.enabled:
        return ""
    if one.kind == "hook" and one.settings.get("auth", "hmac") != "mtls" and not one.has_secret:
        return "it has no secret, so that all that it posts is refused; set one"
    if one.refused_at is not None:
        return f"posts to it are refused, as the intake said {when(one.refused_at)}: {one.refused or 'unknown'}"
    if one.version is None:
        kept = f"; {counted(one.waiting + one.unmapped, 'payload')} kept until then" if one.last_payload_at else ""
        return f"it has no mapping; give it one{kept}"
    if one.not_bridged_at is not None:
        said = f"as it said {when(one.not_bridged_at)}: {one.not_bridged or 'unknown'}"
        return f"the bridge does not subscribe to it, {said}"
    return _of_payloads(one, now)


def _of_payloads(one: SourceState, now: datetime) -> str:
    if one.waiting_since is not None and now - one.waiting_since > OVERDUE:
        minutes = int((now - one.waiting_since).total_seconds() // 60)
        return f"payloads have waited for {counted(minutes, 'minute')}; is a worker running?"
    if one.unmapped:
        return f"{counted(one.unmapped, 'payload')} gave nothing, the newest as: {one.unmapped_reason or 'unknown'}"
    return ""
