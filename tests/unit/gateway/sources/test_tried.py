"""What of a tried payload an answer shows."""

import json
from datetime import UTC, datetime

from gateway.api.sources.views import tried_view
from gateway.sources.trying import MOST_SHOWN, tried
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
