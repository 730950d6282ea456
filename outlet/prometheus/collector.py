"""A collector that gives each meter's newest readings from the look that all outputs share."""

from collections.abc import Iterator

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from outlet.fleet.snapshot import Meter, Snapshot
from outlet.fleet.watch import FleetWatch

LABELS = ("meter", "obis", "unit", "point")


class MeterCollector(Collector):
    """Gauges by meter; bounded by the meters that the outlet looks at (`most_meters`).

    Values are of the time when they were read and not of the scrape, so a meter that is silent has none, as Prometheus
    wants it: its series end, and `wattline_meter_up` says 0.
    """

    def __init__(self, watch: FleetWatch, silent_s: float) -> None:
        self._watch = watch
        self._silent_s = silent_s

    def describe(self) -> list[Metric]:
        """Nothing that would want a look before there was one."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Newest values, when they were read, and whether each meter speaks."""
        snapshot = self._watch.newest
        return iter(()) if snapshot is None else iter(families(snapshot, self._silent_s))


def families(snapshot: Snapshot, silent_s: float) -> list[Metric]:
    """The metrics of a look at the store."""
    values = GaugeMetricFamily("wattline_meter_reading", "Newest reading of each OBIS code", labels=LABELS)
    times = GaugeMetricFamily(
        "wattline_meter_reading_timestamp_seconds", "When a meter's newest reading was, Unix time", labels=("meter",)
    )
    ups = GaugeMetricFamily("wattline_meter_up", "1 where a meter speaks and its device is there", labels=("meter",))
    for key, meter in snapshot.meters.items():
        available = meter.available(snapshot.at, silent_s)
        ups.add_metric([key], float(available))
        if (newest := meter.newest_at) is not None:
            times.add_metric([key], newest.timestamp())
        if available:
            _add(values, meter)
    return [values, times, ups]


def _add(values: GaugeMetricFamily, meter: Meter) -> None:
    for one in meter.readings.values():
        values.add_metric([meter.facts.key, one.obis, one.unit, meter.facts.point or ""], one.value)
