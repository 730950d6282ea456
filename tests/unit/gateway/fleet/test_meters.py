"""What the registry makes of facts that arrive gradually, and the specs it gives."""

from dataclasses import replace
from datetime import UTC, datetime

from broker.contract.messages import MeterConfig, MeterSeen
from gateway.fleet.meters import (
    MAX_CHARACTERS,
    MAX_FACTS,
    KnownMeter,
    StoredMeter,
    assign,
    from_reported,
    from_stored,
    is_placed_anew,
    merged,
)
from meters.specs.catalogue import catalogue


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
    seen = from_reported(
        MeterSeen(key="LGZ:1", port="p", protocol="p1", facts={"@addresses": "evil", "a": "b"}, addresses=("1", "1"))
    )
    same = ("key", "parent", "manufacturer", "product", "serial", "firmware", "protocol", "port")
    stored = {name: getattr(seen, name) for name in same}
    assert from_stored(StoredMeter(id=1, device_id=1, removed_at=None, facts=seen.stored_facts(), **stored)) == seen
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


def test_what_adds_up_is_bounded_and_the_newest_stays() -> None:
    """A device that tells new facts and addresses for ever costs no more than so much in each registration."""
    known = KnownMeter("Z:1", "p1", "/dev/x", facts={f"old{n}": "x" for n in range(MAX_FACTS)})
    told = KnownMeter("Z:1", "p1", "/dev/x", facts={"new": "y"}, addresses=tuple(f"{n:0200}" for n in range(1000)))
    both = merged(known, told)
    assert (len(both.facts), both.facts["new"]) == (MAX_FACTS, "y")
    assert len("".join(both.addresses)) <= MAX_CHARACTERS
    alone = merged(None, KnownMeter("Z:1", "p1", "/dev/x", facts={f"{n}": "z" * 4096 for n in range(60)}))
    assert sum(len(name) + len(text) for name, text in alone.facts.items()) <= MAX_CHARACTERS


def test_a_meter_is_placed_anew_where_it_comes_or_goes_elsewhere() -> None:
    """Back again, from another device, or to another port, channel or meter; what else is told of it is no move."""
    stored = StoredMeter(1, "Z:1", 1, None, None, None, None, None, "p1", "/dev/x", {"channel": "1"}, None)
    shown = KnownMeter("Z:1", "p1", "/dev/x", firmware="2", facts={"channel": "1", "more": "x"})
    assert not is_placed_anew(stored, shown, 1)
    assert is_placed_anew(stored, shown, 2)
    assert is_placed_anew(replace(stored, removed_at=datetime.now(UTC)), shown, 1)
    for change in ({"port": "/dev/y"}, {"parent": "Z:2"}, {"facts": {"channel": "2"}}):
        assert is_placed_anew(stored, replace(shown, **change), 1)  # type: ignore[arg-type]
