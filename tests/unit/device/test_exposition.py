"""The agent's metrics as Prometheus reads them: prometheus_client's own parser is the judge."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from device.exposition import Registry
from device.metrics import DeviceMetrics


def read(registry: Registry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """All values by name and labels."""
    families = text_string_to_metric_families(registry.page().decode())
    return {(one.name, tuple(one.labels.items())): one.value for family in families for one in family.samples}


def test_what_is_counted_is_what_is_read() -> None:
    """Counters end in _total, label values survive whatever they hold, what has no label is there from the start."""
    registry = Registry()
    things = registry.counter("things", "Things, by kind.", "kind", "port")
    level = registry.gauge("level", "A level.")
    assert read(registry) == {("level", ()): 0}
    odd = 'a "quoted"\\back\nline'
    things.labels(odd, "/dev/ttyUSB0").inc()
    things.labels(odd, "/dev/ttyUSB0").inc(2)
    level.set(value=-1.5)
    assert read(registry) == {("things_total", (("kind", odd), ("port", "/dev/ttyUSB0"))): 3, ("level", ()): -1.5}
    with pytest.raises(ValueError, match="kind, port"):
        things.labels("one")


def test_all_metrics_of_an_agent_can_be_read() -> None:
    """Each with its help, a prefix, and a name that nothing else has."""
    families = list(text_string_to_metric_families(DeviceMetrics().registry.page().decode()))
    ours = [family for family in families if family.name != "process_resident_memory_bytes"]
    assert len(ours) == len(families) - 1, "the one that all programs call so"
    assert all(family.name.startswith("wattline_device_") and family.documentation for family in ours)
    assert len({family.name for family in families}) == len(families) > 30
