"""Rules of Sparkplug 3.0 that a host application keeps; names end with the specification's own where it has one."""

import json
import math

from broker.sparkplug.decoding import decode
from broker.sparkplug.protobuf import put_bytes, put_varint
from intake.bridge.sparkplug.nodes import REBIRTH_EVERY_S, Heard, Nodes, place_of
from tests.rigs.sparkplug import birth, metric, payload

NODE, DEVICE = "spBv1.0/g/{}/n", "spBv1.0/g/{}/n/d"


class Host:
    """Nodes that are told messages by topic and bytes."""

    def __init__(self) -> None:
        self.nodes = Nodes()

    def hear(self, kind: str, data: bytes, now_s: float = 0.0) -> Heard:
        """One message of the node, or of its device."""
        place = place_of((DEVICE if kind.startswith("D") else NODE).format(kind))
        assert place is not None
        return self.nodes.hear(place, decode(data, plain=True), now_s)

    def values(self, kind: str, data: bytes) -> dict[object, object]:
        """Values by name or alias."""
        document = self.hear(kind, data).document
        assert document is not None
        return {one.get("name", one.get("alias")): one["value"] for one in document["metrics"]}


def born() -> Host:
    """A host that knows the node and its device, with aliases."""
    host = Host()
    assert host.hear("NBIRTH", birth(5, metric("Power", "Int16", -3, alias=1))).rebirth is False
    assert host.hear("DBIRTH", payload(1, metric("Energy", "Double", 12.5, alias=2))).rebirth is False
    return host


def test_topics_of_nodes_and_devices_are_told_apart() -> None:
    """Commands and states are none of a node's messages."""
    assert place_of("spBv1.0/g/NDATA/n") is not None
    for wrong in (
        "spBv1.0/g/NDATA/n/d", "spBv1.0/g/DDATA/n", "spBv1.0/g/NCMD/n", "spBv1.0/STATE/x", "spAv1.0/g/NDATA/n",
        "spBv1.0/g/NDATA/", "spBv1.0/g/XDATA/n", "spBv1.0/g/DCMD/n/d",
    ):  # fmt: skip
        assert place_of(wrong) is None


def test_aliases_are_those_of_the_birth__tck_id_payloads_alias_birth_requirement() -> None:
    """Of the node and its devices; with them the data type, which data need not name."""
    host = born()
    assert host.values("NDATA", payload(2, metric(alias=1, value=-7))) == {"Power": -7}
    assert host.values("DDATA", payload(3, metric(alias=2, value=13.0))) == {"Energy": 13.0}


def test_the_sequence_counts_to_255_and_begins_again__tck_id_payloads_sequence_num_incrementing() -> None:
    """And is one for the node and all its devices."""
    host = born()
    for number in range(2, 600):
        kind = "DDATA" if number % 2 else "NDATA"
        assert not host.hear(kind, payload(number % 256, metric("Energy", "Double", 1.0))).rebirth


def test_what_is_out_of_sequence_asks_for_a_birth_but_not_a_hundred_times() -> None:
    """It is kept all the same, and a birth sets all right (tck-id-operational-behavior-host-reordering-rebirth)."""
    host = born()
    lost = host.hear("DDATA", payload(7, metric("Energy", "Double", 1.0)))
    assert lost.rebirth
    assert lost.document is not None
    assert not host.hear("DDATA", payload(8, metric("Energy", "Double", 1.0)), 1.0).rebirth
    assert host.hear("DDATA", payload(9, metric("Energy", "Double", 1.0)), REBIRTH_EVERY_S + 1).rebirth
    assert not host.hear("NBIRTH", birth(5)).rebirth
    assert not host.hear("DBIRTH", payload(1)).rebirth
    assert not host.hear("DDATA", payload(2, metric("Energy", "Double", 1.0)), 999.0).rebirth


def test_data_before_a_birth_asks_for_one() -> None:
    """Of a node, of a device, and of an alias that nobody knows: that stays a number."""
    host = Host()
    early = host.hear("NDATA", payload(4, metric(alias=3, value=1.0)))
    assert early.rebirth
    assert early.document is not None
    assert early.document["metrics"][0]["alias"] == 3
    host = born()
    host.hear("DDEATH", payload(2))
    assert host.hear("DDATA", payload(3, metric("Energy", "Double", 1.0))).rebirth


def test_a_death_of_an_earlier_connection_is_none__tck_id_payloads_ndeath_bdseq() -> None:
    """The will says which birth it belongs to; after the right one the node is dead until it is born again."""
    host = born()
    assert not host.hear("NDEATH", payload(None, metric("bdSeq", "UInt64", 4))).gone
    assert host.nodes.alive == 1
    assert host.hear("NDEATH", payload(None, metric("bdSeq", "UInt64", 5))).gone
    assert host.nodes.alive == 0
    assert not host.hear("NDEATH", payload(None, metric("bdSeq", "UInt64", 5))).gone
    assert host.hear("NDATA", payload(2, metric("Power", "Int16", 1))).rebirth
    assert host.hear("DDEATH", payload(3)).gone


def test_a_birth_carries_readings_and_none_of_the_protocols_own() -> None:
    """BdSeq and Node Control are nobody's readings; a value that is no number of JSON's is none."""
    host = Host()
    found = host.values("NBIRTH", birth(1, metric("Energy", "Double", 3.5), metric("Odd", "Double", math.nan)))
    assert found == {"Energy": 3.5, "Odd": None}
    assert host.hear("NBIRTH", birth(1)).document is None


def test_a_document_is_json_whatever_a_metric_holds() -> None:
    """Numbers by their types, what is null or no single value has none; what its birth's type is not stays."""
    host = born()
    array = put_bytes(2, put_bytes(1, b"many") + put_varint(4, 22) + put_bytes(16, b"\1\2"))
    document = host.hear(
        "NDATA",
        payload(
            2, metric("a", "Float", 0.1), metric("b", "Double"), metric("c", "String", "x"),
            metric(alias=1, value=2.5), metric("d", "Int8", -1, timestamp=17, historical=True),
        ) + array,
    ).document  # fmt: skip
    assert document is not None
    at = 1_763_892_000_000
    assert json.loads(json.dumps(document, allow_nan=False)) == {
        "group": "g", "node": "n", "device": "", "type": "NDATA", "timestamp": at, "seq": 2,
        "metrics": [
            {"name": "a", "value": 0.1, "timestamp": at, "datatype": 9},
            {"name": "b", "value": None, "timestamp": at, "datatype": 10},
            {"name": "c", "value": "x", "timestamp": at, "datatype": 12},
            {"name": "Power", "alias": 1, "value": 2.5, "timestamp": at, "datatype": 2},
            {"name": "d", "value": -1, "timestamp": 17, "datatype": 1, "historical": True},
            {"name": "many", "value": None, "timestamp": at, "datatype": 22},
        ],
    }  # fmt: skip
