"""Refusals of the domain as they go over HTTP."""

import json
from typing import Any

import asyncpg
import pytest

from gateway.api.problem import STATUS, TITLES, Problem, failed, status_of
from gateway.faults import Fault, Kind, Refusal, invalid, too_many, unavailable, unknown


def document(problem: Problem) -> dict[str, Any]:
    body = problem.response().body
    assert isinstance(body, bytes)
    return dict(json.loads(body))


def test_what_is_no_text_can_be_quoted_all_the_same() -> None:
    """A header in another encoding than UTF-8 comes with lone surrogates; quoting it is no failure of the gateway."""
    fault = Fault("If-Match", "\udce4 is not what holds now", "GET it again")
    sent = document(Problem.of(Refusal(Kind.STALE, "\udce4 is stale", [fault])))
    assert (sent["status"], sent["detail"]) == (412, "? is stale")
    assert sent["errors"][0]["reason"] == "? is not what holds now"


def test_each_kind_of_refusal_has_its_status_and_title() -> None:
    """No kind is answered as a failure of the gateway, and no two alike."""
    assert STATUS.keys() == set(Kind)
    assert len(set(STATUS.values())) == len(STATUS)
    assert set(STATUS.values()) <= TITLES.keys()


@pytest.mark.parametrize(
    ("refusal", "status", "headers"),
    [
        (unknown("device", "pi-1"), 404, {}),
        (invalid("at", "it is not before it left", "say when it came"), 422, {}),
        (too_many("2 decodings are under way", 30), 429, {"Retry-After": "30"}),
        (unavailable(), 503, {"Retry-After": "5"}),
        (Refusal(Kind.UNIDENTIFIED, "no token was sent"), 401, {"WWW-Authenticate": "Bearer"}),
        (Refusal(Kind.STALE, "it has changed", current={"priority": 2}, etag='"7"'), 412, {"ETag": '"7"'}),
    ],
)
def test_a_refusal_is_answered_with_what_http_has_for_it(
    refusal: Refusal, status: int, headers: dict[str, str]
) -> None:
    """Status, type and title by its kind; headers say when to try again, how to identify oneself, what holds now."""
    problem = Problem.of(refusal)
    sent = document(problem)
    assert (sent["status"], sent["type"], sent["title"]) == (status, f"urn:wattline:problem:{status}", TITLES[status])
    assert sent["detail"] == refusal.detail
    assert problem.response().headers.items() >= headers.items()
    assert sent.get("current") == refusal.current
    assert sent.get("field") == (refusal.faults[0].field if refusal.faults else None)
    assert sent["errors"] == [{"field": one.field, "reason": one.reason, "fix": one.fix} for one in refusal.faults]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (unknown("device", "pi-1"), 404),
        (asyncpg.DeadlockDetectedError("deadlock detected"), 503),
        (ConnectionRefusedError(111, "Connection refused"), 503),
        (asyncpg.CharacterNotInRepertoireError("invalid byte sequence"), 422),
        (asyncpg.UndefinedColumnError('column "x" does not exist'), 500),
        (RuntimeError("a bug"), 500),
    ],
)
def test_an_error_has_one_status_for_answer_and_audit(error: Exception, status: int) -> None:
    """The audit must not say that the gateway failed where the database was away."""
    assert status_of(error) == status


def test_a_failure_says_where_to_look() -> None:
    """What nobody refused is no fault of the caller's."""
    assert document(failed()) == {
        "type": "urn:wattline:problem:500",
        "title": "The gateway failed",
        "status": 500,
        "detail": "the gateway failed; its log says why",
        "errors": [],
    }
