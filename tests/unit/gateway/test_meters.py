"""What the registry makes of facts that arrive gradually, and the specs it gives."""

from broker.messages import MeterConfig, MeterSeen
from gateway.meters import KnownMeter, assign, from_row, from_seen, merged
from meters.catalogue import catalogue


def meter(**changes: object) -> KnownMeter:
    values = {"key": "LGZ:1", "protocol": "p1", "port": "/dev/ttyUSB0", **changes}
    return KnownMeter(**values)  # type: ignore[arg-type]


def test_facts_and_addresses_add_up() -> None:
    """A poorer registration after a restart takes nothing away; a richer one adds."""
    rich = meter(manufacturer="LGZ", facts={"identification": "A"}, addresses=("1", "2"))
    poor = meter(facts={"note": "x"}, addresses=("2", "3"))
    both = merged(rich, poor)
    assert both.manufacturer == "LGZ"
    assert both.facts == {"identification": "A", "note": "x"}
    assert both.addresses == ("1", "2", "3")
    assert merged(None, poor) == poor


def test_a_meter_that_calls_itself_otherwise_starts_afresh() -> None:
    """New firmware may send other codes: what the old one sent no longer counts."""
    old = meter(firmware="1.0", manufacturer="LGZ", addresses=("1", "2"))
    new = meter(firmware="2.0", addresses=("3",))
    assert merged(old, new) == new
    assert merged(old, meter(protocol="sml")).addresses == ()


def test_facts_go_to_the_store_and_come_back() -> None:
    """The document of column facts keeps facts and addresses apart, whatever a device calls its facts."""
    seen = from_seen(
        MeterSeen(key="LGZ:1", port="p", protocol="p1", facts={"@addresses": "evil", "a": "b"}, addresses=("1", "1"))
    )
    row = {name: getattr(seen, name) for name in KnownMeter.__slots__}
    assert from_row(row, seen.stored_facts()) == seen
    assert seen.facts == {"a": "b"}
    assert seen.addresses == ("1",)


def test_each_meter_gets_its_pin_or_the_best_match_or_nothing() -> None:
    """A pin holds; a meter behind another has no entry; an unknown protocol has no spec."""
    known = [
        meter(key="A:1"),
        meter(key="B:1"),
        meter(key="C:1", parent="A:1"),
        meter(key="D:1", protocol="morse"),
        meter(key="E:1", protocol=""),
    ]
    pins = {"B:1": MeterConfig(spec="mine@7"), "A:1": MeterConfig()}
    chosen = assign(catalogue(), known, pins)
    assert set(chosen) == {"A:1", "B:1", "D:1"}
    assert (chosen["A:1"].spec or "").startswith("generic-p1@")
    assert chosen["B:1"].spec == "mine@7"
    assert chosen["D:1"].spec is None
