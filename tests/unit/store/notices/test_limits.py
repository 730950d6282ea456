"""What a threshold's message says, in words and as fields."""

from datetime import UTC, datetime

import pytest

from store.notices.messages import Found, Message, Phase, message
from store.notices.rules import Rule

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def said(rule: dict[str, object], *values: float | None, phase: Phase = "begun") -> Message:
    found = [Found(f"ISK:{place}", "pi-1", f"ISK:{place}", "warning", NOW, one, "") for place, one in enumerate(values)]
    read = Rule.model_validate({"about": "threshold", "channel": "ops", **rule})
    return message("peak", read, phase, found, len(found), 0, NOW)


def test_the_title_has_value_limit_code_and_side() -> None:
    made = said({"obis": "1-0:16.7.0", "above": 30}, 35.2, 31)
    assert made.title == "Wattline: Power, net (1-0:16.7.0) above 30 kW. ISK:0 at 35.2 kW, ISK:1 at 31 kW"
    assert "ISK:0 at 35.2 kW" in made.text


def test_an_item_has_the_limit_as_fields() -> None:
    (item,) = said({"obis": "1-0:32.7.0", "above": 253, "below": 207}, 199.5).event["data"]["items"]
    assert {name: item[name] for name in ("value", "obis", "unit", "side", "limit")} == {
        "value": 199.5, "obis": "1-0:32.7.0", "unit": "V", "side": "below", "limit": 207.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "values", "title"),
    [
        ({"obis": "1-0:32.7.0", "above": 253, "below": 207}, (260, 199),
         "Voltage L1 (1-0:32.7.0) above 253 V or below 207 V."),
        ({"obis": "0-1:24.2.1", "above": 7000}, (7123.456,),
         "Sub-meter register (0-1:24.2.1) above 7000. ISK:0 at 7123.456"),
        ({"obis": "1-0:999.8.0", "above": 1}, (2,), "1-0:999.8.0 above 1. ISK:0 at 2"),
        # whose rule has changed since
        ({"obis": "1-0:16.7.0", "above": 90}, (35,), "A value has been over or under a limit for a time."),
        ({"obis": "1-0:16.7.0", "above": 90}, (None,), "A value has been over or under a limit for a time."),
    ],
)  # fmt: skip
def test_limits_of_all_sorts(rule: dict[str, object], values: tuple[float | None, ...], title: str) -> None:
    assert said(rule, *values).title.removeprefix("Wattline: ").startswith(title)


def test_what_is_over_does_not_name_the_last_value_beyond() -> None:
    made = said({"obis": "1-0:16.7.0", "above": 30}, 35.2, phase="over")
    assert made.title == "Wattline: Over: Power, net (1-0:16.7.0) above 30 kW. ISK:0"


def test_its_fields_may_stand_in_ones_own_words() -> None:
    title = "{meter} {obis} {value} {unit}, {side} {limit}"
    assert said({"obis": "1-0:16.7.0", "above": 30, "title": title}, 35.2).title == "ISK:0 1-0:16.7.0 35.2 kW, above 30"
