"""Which sources can be bridged, and which messages are taken of them."""

from intake.bridge.admission import BURST_S, Admission
from intake.bridge.book import SourceBook
from intake.bridge.settings import BridgeSettings
from intake.bridge.store import SourceRow
from meters.mappings.catalogue import named


def book(*rows: SourceRow, brokers: tuple[str, ...] = ("ours",)) -> SourceBook:
    """A book that has read these rows."""
    found = SourceBook()
    found.read(rows, dict.fromkeys(brokers))
    return found


def test_topics_come_from_the_mapping_and_the_settings() -> None:
    """Those of the settings before those of the mapping, each once; what says its own time is told apart."""
    plug, shelly = named("tasmota-energy").text, named("shelly-rpc").text
    found = book(SourceRow("a", {"topics": ["tele/p/SENSOR"] * 2}, plug), SourceRow("b", {}, shelly))
    assert found.faults == {}
    assert found.filters("ours") == {"tele/p/SENSOR", "+/events/rpc"}
    assert found.owners("ours", "tele/p/SENSOR", ()) == ("a",)
    assert found.owners("other", "tele/p/SENSOR", ()) == ()
    assert (found.takes_retained("a"), found.takes_retained("b"), found.takes_retained("c")) == (False, True, False)


def test_one_that_can_not_be_bridged_says_why_and_harms_no_other() -> None:
    """What is wrong names the field and the fix."""
    found = book(
        SourceRow("none", {}, None),
        SourceRow("greedy", {"topics": ["wattline/#"]}, None),
        SourceRow("odd", {"topics": "x"}, None),
        SourceRow("away", {"topics": ["x"], "broker": "attic"}, None),
        SourceRow("broken", {}, "format: ["),
        SourceRow("good", {"topics": ["x"], "secret": {"kind": "whatever"}}, None),
    )
    assert set(found.sources) == {"good"}
    fields = {name: fault.partition(":")[0] for name, fault in found.faults.items()}
    assert fields.pop("broken")
    assert fields == {"none": "topic", "greedy": "topics", "odd": "settings", "away": "broker"}
    assert "WATTLINE_BRIDGE_BROKERS__ATTIC__HOST" in found.faults["away"]


def test_what_our_outlet_publishes_is_no_sources() -> None:
    """Our own meters must not come back as foreign ones, whatever a source's filters cover."""
    found = book(SourceRow("wide", {"topics": ["spBv1.0/+/DDATA/+/+", "+/ha/#"]}, None))
    assert found.owners("ours", "spBv1.0/plant/DDATA/n/d", ()) == ("wide",)
    assert found.owners("ours", "spBv1.0/Wattline/DDATA/wattline/LGZ:1", ()) == ()
    assert found.owners("ours", "other/ha/x/state", ()) == ("wide",)
    assert found.owners("ours", "wattline/ha/wattline/wattline_meter_1/state", ()) == ()


def test_each_topic_has_a_share_and_each_source_another() -> None:
    """One that floods is refused, another of the same source is not until the source's own share is used up."""
    settings = BridgeSettings(database_dsn="postgresql://x", topic_per_s=1, source_per_s=2)
    admission = Admission(settings)
    mad = [admission.over("a", "mad", 10, 0.0) for _ in range(int(BURST_S) + 5)]
    assert mad.index("its topic sent more messages than it may") == BURST_S
    assert admission.over("a", "calm", 10, 0.0) == ""
    others = [admission.over("a", f"t{number}", 10, 0.0) for number in range(int(BURST_S))]
    assert "its source sent more messages than it may" in others
    assert admission.over("b", "calm-b", 10, 0.0) == ""
    assert admission.over("a", "mad", 10, 40.0) == ""
    assert admission.over("c", "large", 10**9, 0.0) == ""
    assert admission.over("c", "large2", 10**6, 0.1) == "its source sent more bytes than it may"
