"""Settings of dashboards and alerting: what they accept, and what they say of what they don't."""

import pytest
from pydantic import ValidationError

from grafana.notify import policy
from grafana.settings import GrafanaSettings

OPS = {"name": "ops", "type": "email", "settings": {"addresses": "ops@example.org"}}
CALL = {"name": "call", "type": "webhook", "settings": {"url": "http://hook.example"}}


def made(**given: object) -> GrafanaSettings:
    return GrafanaSettings(**given)  # type: ignore[arg-type]


def test_the_environment_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested settings by two underscores, lists and prices as JSON."""
    monkeypatch.setenv("WATTLINE_GRAFANA_LIMITS__JUMP_KW", "55")
    monkeypatch.setenv("WATTLINE_GRAFANA_PRICES", '{"1-0:1.8.0": "0.1234"}')
    monkeypatch.setenv(
        "WATTLINE_GRAFANA_CONTACT_POINTS", '[{"name": "ops", "type": "email", "settings": {"addresses": "a@b"}}]'
    )
    monkeypatch.setenv("WATTLINE_GRAFANA_DB__PASSWORD", "secret")
    settings = GrafanaSettings()
    assert settings.limits.jump_kw == 55
    assert str(settings.prices["1-0:1.8.0"]) == "0.1234"
    assert settings.contact_points[0].name == "ops"
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"currency": "euro"}, "currency"),
        ({"prices": {"1.8.0": 1}}, "prices"),
        ({"prices": {"1-0:1.8.0": "NaN"}}, "prices"),
        ({"limits": {"database_percent": 0}}, "limits.database_percent"),
        ({"contact_points": [OPS, OPS]}, "same name; give each its own"),
        ({"contact_points": [OPS], "routes": [{"contact": "nobody"}]}, "'nobody'; contact_points has: ops"),
        ({"contact_points": [{**OPS, "name": "O p s"}]}, "contact_points.0.name"),
        ({"contact_points": [{**OPS, "type": "emial"}]}, "did you mean 'email'?"),
        ({"contact_points": [{**OPS, "type": "line"}]}, "did you mean 'LINE'?"),
        ({"contact_points": [{**OPS, "type": "pigeon"}]}, "Grafana knows LINE, dingding"),
        ({"contact_points": [{**OPS, "settings": {}}]}, "email needs 'addresses'; given: none that is not empty"),
        ({"contact_points": [{**OPS, "settings": {"adresses": "x"}}]}, "email needs 'addresses'; given: adresses"),
        (
            {"contact_points": [{**OPS, "type": "slack", "settings": {"token": "x"}}]},
            "slack needs 'url', or 'token' and 'recipient'; given: token",
        ),
        ({"contact_points": [OPS], "routes": [{"contact": "ops", "repeat_interval": "daily"}]}, "repeat_interval"),
    ],
)
def test_bad_ones_are_refused_by_name(given: dict[str, object], says: str) -> None:
    """The message names the field, and where it can, what is right."""
    with pytest.raises(ValidationError) as refused:
        made(**given)
    assert says in str(refused.value)


def test_one_route_holds_all_of_ours() -> None:
    """Without routes all goes to the first contact point; a route without a match is the fallback of the others."""
    assert policy(made()) is None
    alone = policy(made(contact_points=[OPS]))
    assert alone is not None
    assert (alone["receiver"], alone["object_matchers"]) == ("Wattline ops", [["platform", "=", "wattline"]])
    assert "routes" not in alone
    urgent = {"contact": "call", "match": {"severity": "critical"}, "repeat_interval": "1h"}
    routed = policy(made(contact_points=[OPS, CALL], routes=[urgent, {"contact": "ops", "repeat_interval": "2d"}]))
    assert routed is not None
    assert (routed["receiver"], routed["repeat_interval"]) == ("Wattline ops", "2d")
    (nested,) = routed["routes"]
    assert (nested["receiver"], nested["object_matchers"]) == ("Wattline call", [["severity", "=", "critical"]])
