"""Which of a source's next payloads are one turn: until the first dear one, the time, or the days, are over."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from broker.contract.topics import Topics
from ingestor.batches.assembler import MOST_DAYS
from ingestor.worker.mappings.judging import CHEAP_BYTES, Portion
from ingestor.worker.mappings.store import WaitingPayload, WaitingSource
from meters.mappings.load import mapping_from

NOW = datetime(2026, 11, 30, tzinfo=UTC)
MAPPING = mapping_from(
    {"format": {"type": "json"}, "meter": "A:1", "time": {"at": "t"}, "values": {"1-0:1.8.0": {"path": "kwh"}}},
    origin="test",
)


def portion(bodies: list[Any], *, only_cheap: bool = True, most_s: float = 60) -> Portion:
    waiting = [
        WaitingPayload(number, f"k{number}", NOW, "", None, json.dumps(body).encode())
        for number, body in enumerate(bodies)
    ]
    return Portion(WaitingSource("a", 1, 1), MAPPING, waiting, only_cheap=only_cheap, most_s=most_s)


def of_days(first: int, days: int) -> list[dict[str, Any]]:
    return [{"t": (NOW - timedelta(days=day)).isoformat(), "kwh": 1} for day in range(first, first + days)]


def judged(one: Portion) -> list[int]:
    return [each.id for each in one.judge(Topics())]


def test_a_dear_payload_ends_the_turn_before_it() -> None:
    """By its size, or by its days; in turns of dear ones it is taken, and still called dear."""
    for dear in ({"x": "y" * CHEAP_BYTES}, of_days(0, MOST_DAYS + 1)):
        found = portion([of_days(0, 1), dear, of_days(0, 1)])
        assert (judged(found), found.is_dear) == ([0], True)
        found = portion([dear, of_days(0, 1)])
        assert (judged(found), found.is_dear) == ([], True)
        found = portion([dear, of_days(0, 1)], only_cheap=False)
        assert judged(found)[0] == 0
        assert found.is_dear


def test_a_turn_makes_no_more_chunks_than_one_transaction_may() -> None:
    """Payloads of a day each, further and further back, are as many turns as they need, and none is dear."""
    found = portion([of_days(number, 1) for number in range(100)])
    assert (judged(found), found.is_dear) == (list(range(MOST_DAYS)), False)


def test_a_turn_takes_one_payload_however_short_it_is() -> None:
    assert judged(portion([of_days(0, 1)] * 3, most_s=0)) == [0]
