"""The one policy of the gateway's tasks for a database that is away, or refuses."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from structlog.testing import capture_logs

from broker.errors import PermanentError
from gateway.database import one_round, until_stored
from gateway.metrics import Metrics
from store.errors import heals, reason, refuses_data

FAST_S = 0.001


def failing(*errors: Exception) -> Callable[[], Awaitable[str]]:
    """Work that fails with each of these first."""
    left = list(errors)

    async def work() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return work


def counted(metrics: Metrics, name: str, task: str) -> float:
    return metrics.registry.get_sample_value(f"wattline_gateway_{name}_total", {"task": task}) or 0.0


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("refused"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("got result for unknown protocol state 3"),
        asyncpg.DeadlockDetectedError("deadlock"),
        asyncpg.UndefinedTableError("no table"),
        asyncpg.QueryCanceledError("canceling statement due to statement timeout"),
    ],
)
async def test_what_time_can_heal_is_tried_again(error: Exception) -> None:
    """Until it is done, with a count; a statement that took too long is one of these."""
    metrics = Metrics()
    assert await until_stored(failing(error, error), "test", metrics, cap_s=FAST_S) == "done"
    assert counted(metrics, "database_retries", "test") == 2


async def test_what_only_a_person_can_heal_ends_the_gateway() -> None:
    """With the task in the message."""
    with pytest.raises(PermanentError, match="the database refuses test"):
        await one_round(failing(asyncpg.InsufficientPrivilegeError("no right")), "test", Metrics(), cap_s=FAST_S)


async def test_an_odd_row_costs_its_round_only() -> None:
    """It is logged and counted, and the next round is done."""
    metrics, work = Metrics(), failing(asyncpg.NumericValueOutOfRangeError("out of range"))
    with capture_logs() as told:
        assert await one_round(work, "test", metrics, cap_s=FAST_S) is None
    assert [(line["event"], line["task"]) for line in told] == [("round_refused", "test")]
    assert counted(metrics, "rounds_refused", "test") == 1
    assert await one_round(work, "test", metrics, cap_s=FAST_S) == "done"


async def test_what_is_refused_for_its_data_is_not_tried_again() -> None:
    """Whoever gave the data hears of it."""
    with pytest.raises(asyncpg.UniqueViolationError):
        await until_stored(failing(asyncpg.UniqueViolationError("there")), "test", Metrics(), cap_s=FAST_S)


def test_data_is_to_blame_or_time_heals_and_never_both() -> None:
    """What neither holds of is for a person."""
    data = (
        asyncpg.CardinalityViolationError("more than one row"),
        asyncpg.DataError("x"),
        asyncpg.ProgramLimitExceededError("x"),
    )
    assert all(refuses_data(error) and not heals(error) for error in data)
    for error in (TimeoutError(), asyncpg.CannotConnectNowError("x")):
        assert heals(error)
        assert not refuses_data(error)
    assert not heals(asyncpg.UndefinedColumnError("x"))


def test_a_connection_that_went_says_why() -> None:
    """Asyncpg hides it behind its own state; a timeout has no words of its own."""
    hidden = asyncpg.InternalClientError("unexpected state")
    hidden.__context__ = ConnectionResetError("reset by peer")
    assert reason(hidden) == "reset by peer"
    assert reason(TimeoutError()) == "no answer in time"
    assert reason(OSError()) == "OSError"
