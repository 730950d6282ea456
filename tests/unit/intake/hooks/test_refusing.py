"""What people are told of refused posts: once an hour for each reason, with how many there were."""

import pytest
from aiohttp.test_utils import make_mocked_request

from intake.hooks.metrics import HookMetrics
from intake.hooks.refusals import HookRefusal
from intake.hooks.refusing import Refusing
from intake.notices import notices as notices_module
from intake.notices.notices import EVERY_S, Notices


def test_a_flood_of_refusals_is_told_once_an_hour_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reason by itself; the second telling says how many there were since."""
    told: list[tuple[str, object, object]] = []
    now_s = 1000.0
    monkeypatch.setattr(notices_module.time, "monotonic", lambda: now_s)
    metrics = HookMetrics()
    notices = Notices(metrics.events_lost)
    monkeypatch.setattr(
        notices_module.log, "warning", lambda _, **said: told.append((said["source"], said["word"], said["posts"]))
    )
    refusing = Refusing(metrics, notices)

    def refuse(reason: str, source: str | None = "acme") -> None:
        refusing.answer(
            make_mocked_request("POST", "/hooks/acme"), HookRefusal(401, reason, "why"), "192.0.2.1", source
        )

    for _ in range(5):
        refuse("unproved")
    refuse("rate")
    refuse("left")
    refuse("unproved", None)
    assert told == [("acme", "unproved", 1), ("acme", "rate", 1)]
    now_s += EVERY_S
    refuse("unproved")
    assert told[2:] == [("acme", "unproved", 5)]
    assert metrics.registry.get_sample_value("wattline_intake_refused_total", {"reason": "unproved"}) == 7
