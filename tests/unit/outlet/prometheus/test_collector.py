"""Newest readings as Prometheus reads them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from outlet.fleet.snapshot import Snapshot
from outlet.fleet.store import NewestReading, StandingMeter
from outlet.fleet.watch import FleetWatch
from outlet.metrics import OutletMetrics
from outlet.prometheus.collector import MeterCollector, families

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
METER = StandingMeter(
    1, 'A"\\:1', None, None, None, None, None, None, None, "pi", online=True, software=None, hardware=None,
    point="Küche\n2", renamed=True,
)  # fmt: skip


def read(meters: list[StandingMeter], age_s: float) -> dict[tuple[str, str, str], float]:
    """What Prometheus' own parser makes of a page: values by name, meter and code."""
    at = NOW - timedelta(seconds=age_s)
    rows = [
        NewestReading(1, 1, "1-0:1.8.0", "kWh", "register", at, 12.5, None, [12.5]),
        NewestReading(2, 1, "1-0:16.7.0", "kW", "instantaneous", at, -0.25, None, [-0.25]),
    ]
    found = families(Snapshot.of(NOW, meters, rows, left_out=False), 300)

    class Given(MeterCollector):
        def collect(self):  # type: ignore[no-untyped-def] # noqa: ANN202
            return iter(found)

    registry = CollectorRegistry()
    registry.register(Given(FleetWatch(1, 1, OutletMetrics()), 300))
    page = generate_latest(registry).decode()
    return {
        (sample.name, sample.labels["meter"], sample.labels.get("obis", "")): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_values_have_the_meter_the_code_and_the_point() -> None:
    """Quotes, backslashes and line ends in labels come out as they were."""
    assert read([METER], 10) == {
        ("wattline_meter_reading", 'A"\\:1', "1-0:1.8.0"): 12.5,
        ("wattline_meter_reading", 'A"\\:1', "1-0:16.7.0"): -0.25,
        ("wattline_meter_reading_timestamp_seconds", 'A"\\:1', ""): (NOW - timedelta(seconds=10)).timestamp(),
        ("wattline_meter_up", 'A"\\:1', ""): 1.0,
    }


def test_a_meter_that_is_silent_or_behind_an_absent_device_has_no_values() -> None:
    """A value of yesterday under the time of the scrape would be a lie; `up` says it."""
    for found in (read([METER], 3600), read([replace(METER, online=False)], 10)):
        assert {name for name, _, _ in found} == {"wattline_meter_up", "wattline_meter_reading_timestamp_seconds"}
        assert found[("wattline_meter_up", 'A"\\:1', "")] == 0.0


def test_before_the_first_look_there_is_nothing() -> None:
    """And nothing fails."""
    assert list(MeterCollector(FleetWatch(1, 1, OutletMetrics()), 300).collect()) == []
