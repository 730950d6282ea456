"""Templates that pick a value become JMESPath; those that do more become nothing."""

import pytest

from intake.bridge.discovery.templates import Picked, pick


@pytest.mark.parametrize(
    ("template", "path", "factor"),
    [
        (None, "", 1),
        ("{{ value }}", "", 1),
        ("{{ value | float }}", "", 1),
        ("{{ value_json.energy }}", "energy", 1),
        ("{{ value_json['ENERGY']['Total'] }}", "ENERGY.Total", 1),
        ("{{ value_json.ENERGY.Power | round(1) }}", "ENERGY.Power", 1),
        ("{{ value_json.tPI | is_defined }}", "tPI", 1),
        ('{{ value_json["1-0:1.8.0"] }}', '"1-0:1.8.0"', 1),
        ("{{ value_json.meters[0].total }}", "meters[0].total", 1),
        ("{{ value_json.total / 1000 }}", "total", 0.001),
        ("{{ (value_json.total | float(0)) * 0.001 }}", "total", 0.001),
        ("{{ value_json.total | float / 1000 }}", "total", 0.001),
        ("{{ value_json.total | float(0) / 1000 | round(3) }}", "total", 0.001),
        ("{{- value_json.a_b2 | default(0) | int -}}", "a_b2", 1),
    ],
)
def test_a_template_that_picks_is_read(template: str | None, path: str, factor: float) -> None:
    """The value's place, and what it is multiplied by."""
    found = pick(template)
    assert found is not None
    assert found.path == path
    assert found.factor == pytest.approx(factor)


@pytest.mark.parametrize(
    "template",
    [
        "{{ value_json.a + value_json.b }}",
        "{% if value_json.on %}1{% else %}0{% endif %}",
        "{{ value_json.power if value_json.ok else 0 }}",
        "{{ states('sensor.x') }}",
        "{{ value_json.a | regex_replace('x', 'y') }}",
        "{{ value_json.a / 0 }}",
        "{{ value_json.a - 3 }}",
        "{{ value_json['a\\'b'] }}",
        "{{ value_json.a }} {{ value_json.b }}",
        "{{ value_json. }}",
        "{{ (value_json.a }}",
        "{{ ((((((((((((((((((((value_json.a)))))))))))))))))))) }}",
        "plain text",
        "{{ value[0:3] }}",
    ],
)
def test_a_template_that_does_more_is_none(template: str) -> None:
    """What computes can't be told by its text alone what it means."""
    assert pick(template) is None


def test_no_template_is_the_payload_itself() -> None:
    """As ESPHome publishes."""
    assert pick("") == Picked("")
