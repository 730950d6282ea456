"""Rules of Sparkplug 3.0 that a host application keeps; names end with the specification's own where it has one."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import ContractError
from intake.bridge.sparkplug.nodes import REBIRTH_EVERY_S, Heard, Nodes
from intake.bridge.sparkplug.protobuf import SparkplugPayload, decode, encode_rebirth
from intake.bridge.sparkplug.topics import command, parse, state, state_payload
from tests.rigs.sparkplug import birth, metric, payload

NODE, DEVICE = "spBv1.0/g/{}/n", "spBv1.0/g/{}/n/d"


FOREIGN = bytes.fromhex(
    "0880ea9f81ab3312120a0562645365711880ea9f81ab332004580312250a0f4d657465722f312d303a312e382e3010011880"
    "ea9f81ab33200a6900000000004a934012120a015410021880ea9f81ab33200250d8ff0312110a01461880ea9f81ab332009"
    "65cdcccc3d120f0a024f6e1880ea9f81ab33200b7001120f0a01531880ea9f81ab33200c7a017812170a01551880ea9f81ab"
    "3320085880808080808080808001120e0a014e1880ea9f81ab33200a38011800"
)
"""An NBIRTH as pysparkplug 0.6.1 (Apache-2.0) writes it."""


class Host:
    """Nodes that are told messages by topic and bytes."""

    def __init__(self) -> None:
        self.nodes = Nodes()

    def hear(self, kind: str, data: bytes, now_s: float = 0.0) -> Heard:
        """One message of the node, or of its device."""
        place = parse((DEVICE if kind.startswith("D") else NODE).format(kind))
        assert place is not None
        return self.nodes.hear(place, decode(data), now_s)

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
    assert parse("spBv1.0/g/NDATA/n") is not None
    for wrong in (
        "spBv1.0/g/NDATA/n/d", "spBv1.0/g/DDATA/n", "spBv1.0/g/NCMD/n", "spBv1.0/STATE/x", "spAv1.0/g/NDATA/n",
        "spBv1.0/g/NDATA/", "spBv1.0/g/XDATA/n",
    ):  # fmt: skip
        assert parse(wrong) is None
    assert (command("g", "n"), state("h")) == ("spBv1.0/g/NCMD/n", "spBv1.0/STATE/h")
    assert state_payload(7, online=True) == b'{"online": true, "timestamp": 7}'


def test_each_data_type_has_its_value() -> None:
    """Negative numbers come as two's complement, what is null has none, and no name or type is no error."""
    read = decode(
        payload(
            3, metric("a", "Int8", -1), metric("b", "Int32", -70000), metric("c", "Int64", -(2**40)),
            metric("d", "UInt64", 2**63), metric("e", "Float", 0.1), metric("f", "Double", 1e-9),
            metric("g", "Boolean", True), metric("h", "String", "x"), metric("i", "Double"),
            metric(alias=9, value=1.5, timestamp=17, historical=True), timestamp=99,
        )
    )  # fmt: skip
    assert (read.timestamp_ms, read.seq) == (99, 3)
    assert [one.value for one in read.metrics] == [-1, -70000, -(2**40), 2**63, 0.1, 1e-9, True, "x", None, 1.5]
    assert (read.metrics[-1].alias, read.metrics[-1].timestamp_ms, read.metrics[-1].historical) == (9, 17, True)


@given(st.binary(max_size=60))
def test_whatever_bytes_are_a_payload_or_refused(data: bytes) -> None:
    """Nothing else comes out of foreign bytes."""
    with contextlib.suppress(ContractError):
        assert isinstance(decode(data), SparkplugPayload)


def test_what_is_cut_off_is_refused() -> None:
    """At any place inside a metric."""
    whole = payload(None, metric("Energy", "Double", 1.0))
    assert decode(whole).metrics[0].value == 1.0
    for cut in range(8, len(whole)):
        with pytest.raises(ContractError):
            decode(whole[:cut])


def test_aliases_are_those_of_the_birth__tck_id_payloads_alias_birth_requirement() -> None:
    """Of the node and its devices; with them the data type, which data need not name."""
    host = born()
    assert host.values("NDATA", payload(2, metric(alias=1, value=-7, shape="Int16"))) == {"Power": -7}
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


def test_a_rebirth_is_asked_for_as_nodes_read_it__tck_id_operational_behavior_data_commands_rebirth_name() -> None:
    """A Boolean called Node Control/Rebirth, true."""
    (asked,) = decode(encode_rebirth(1_763_892_000_000)).metrics
    assert (asked.name, asked.datatype, asked.value, asked.timestamp_ms) == (
        "Node Control/Rebirth", 11, True, 1_763_892_000_000,
    )  # fmt: skip


def test_a_foreign_library_s_birth_is_read() -> None:
    """As pysparkplug writes it: an Int16 in sixteen bits, a null, a sequence number of zero."""
    read = decode(FOREIGN)
    assert (read.timestamp_ms, read.seq) == (1_763_892_000_000, 0)
    assert {one.name: one.value for one in read.metrics} == {
        "bdSeq": 3, "Meter/1-0:1.8.0": 1234.5, "T": -40, "F": 0.1, "On": True, "S": "x", "U": 2**63, "N": None,
    }  # fmt: skip
