"""What of a tried payload an answer shows."""

import json
from datetime import UTC, datetime

import pytest

from gateway.api.sources.views import tried_view
from gateway.faults import Refusal
from gateway.sources.trying import MOST_SHOWN, check_readable, tried
from meters.mappings.types import Payload

MAPPING = """
format: {type: json}
meter: A:1
records: r
by_code: {code: c, value: v, unit: u}
"""

EVENTS = """
format: {type: json}
events:
  - {kind: alarm, when: alarm, detail: {text: alarm, all: "_body"}}
"""


def test_half_a_character_in_an_event_is_told_all_the_same() -> None:
    """JSON may name one, and no answer can hold it."""
    body = b'{"alarm": "lid \\ud800", "more": {"\\udfff": [1.5, NaN]}}'
    view = tried_view(tried("acme", EVENTS, Payload(body, datetime(2026, 11, 20, tzinfo=UTC))))
    (event,) = json.loads(view.model_dump_json())["events"]
    assert event["detail"]["text"] == "lid ?"


def test_a_payload_of_very_many_codes_is_shown_in_part() -> None:
    """Its sender names them; how many there are is said all the same."""
    codes = [f"1-0:99.{number // 250}.{number % 250}" for number in range(1000)]
    body = json.dumps({"r": [{"c": code, "v": 1, "u": "kWh"} for code in codes]}).encode()
    view = tried_view(tried("acme", MAPPING, Payload(body, datetime(2026, 11, 20, tzinfo=UTC))))
    assert view.values == 1000
    assert [len(one.values) for one in view.readings] == [MOST_SHOWN]


@pytest.mark.parametrize(("body", "said"), [(b"", "it is empty"), (b" \n", "it is empty"), (b"\x1f\x8b\0", "no text")])
def test_nothing_is_proposed_of_what_is_no_payload(body: bytes, said: str) -> None:
    """A mapping of a file that is empty or packed would look like one."""
    with pytest.raises(Refusal, match=said):
        check_readable(body)


def test_any_text_may_be_one() -> None:
    check_readable(b"12.5")
    check_readable("Zähler;kWh".encode("utf-16"))
