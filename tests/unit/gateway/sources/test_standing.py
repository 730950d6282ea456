"""What is said of a source that does not stand well, the worst first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.sources.standing import fault_of
from gateway.sources.store import SourceState

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
WELL = SourceState(
    name="acme", kind="hook", version=1, enabled=True, device="source-acme", settings={"auth": "hmac"}, has_secret=True,
    created_by="anna", created_at=NOW, changed_at=NOW, last_seen_at=NOW, meters=1, waiting=3, unmapped=0,
    mapped_last_hour=9, last_payload_at=NOW, waiting_since=NOW - timedelta(minutes=1), unmapped_reason=None,
    not_bridged=None, not_bridged_at=None, refused=None, refused_at=None,
    unproved="no signature matches", unproved_at=NOW, unproved_posts=9,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"has_secret": False}, "it has no secret, so that all that it posts is refused; set one"),
        ({"has_secret": False, "settings": {"auth": "mtls"}}, ""),
        ({"has_secret": False, "kind": "mqtt"}, ""),
        ({"has_secret": False, "enabled": False}, ""),
        ({"version": None}, "it has no mapping; give it one; 3 payloads kept until then"),
        ({"version": None, "last_payload_at": None}, "it has no mapping; give it one"),
        (
            {"waiting_since": NOW - timedelta(minutes=7)},
            "payloads have waited for 7 minutes; is a worker running?",
        ),
        (
            {"kind": "mqtt", "not_bridged": "no broker home", "not_bridged_at": NOW},
            "the bridge does not subscribe to it, as it said 2026-11-30 12:00:00Z: no broker home",
        ),
        (
            {"version": None, "refused": "no signature matches", "refused_at": NOW},
            "posts to it are refused, as the intake said 2026-11-30 12:00:00Z: no signature matches",
        ),
        (
            {"unmapped": 2, "unmapped_reason": "no JSON"},
            "2 payloads gave nothing, the newest as: no JSON",
        ),
    ],
)
def test_a_fault_says_what_to_do(changes: dict[str, Any], said: str) -> None:
    """Nothing of a source that is off, or whose payloads have only just come."""
    assert fault_of(replace(WELL, **changes), NOW) == said
