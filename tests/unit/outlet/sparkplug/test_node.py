"""Our edge node by the numbered rules of Sparkplug 3.0; a test is called after its rule (tck-id-...)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from broker.errors import ContractError
from broker.sparkplug.datatypes import DataType
from broker.sparkplug.decoding import decode
from broker.sparkplug.encoding import encode
from broker.sparkplug.payload import Metric, Payload
from broker.sparkplug.topics import REBIRTH, MessageType, NodeTopic
from outlet.fleet.snapshot import Meter, Snapshot
from outlet.fleet.store import NewestReading, StandingMeter
from outlet.spans.store import StoredReading
from outlet.sparkplug.node import HISTORY_METRICS, EdgeNode, device_id
from outlet.sparkplug.recently import Recently

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
FACTS = StandingMeter(
    1, "M:1", None, None, None, None, None, None, None, "pi", online=True, software=None, hardware=None, point="p",
    renamed=False,
)  # fmt: skip


def look(after_s: float = 0, **meters: dict[str, float]) -> Snapshot:
    """A look in which these meters have just been read; `M_1` is M:1."""
    at = NOW + timedelta(seconds=after_s)
    found = {}
    for number, (name, codes) in enumerate(meters.items()):
        key = name.replace("_", ":")
        times = {code: at - timedelta(milliseconds=place) for place, code in enumerate(codes)}
        readings = {
            code: NewestReading(hash((key, code)), number, code, "kWh", "register", times[code], value, None, [value])
            for code, value in codes.items()
        }
        found[key] = Meter(replace(FACTS, id=number, key=key), readings)
    return Snapshot(at, found)


def node() -> EdgeNode:
    return EdgeNode("G", "E", "9.9", 300)


def read(messages: list[tuple[str, bytes]]) -> list[tuple[str, Payload]]:
    return [(topic, decode(data)) for topic, data in messages]


ONE = {"1-0:1.8.0": 1.5, "1-0:2.8.0": 0.5}


def test_message_flow_edge_node_birth_publish_will_message() -> None:
    """NDEATH with QoS 1, not retained, bdSeq of INT64 and nothing else, no sequence number (also topics-ndeath-seq)."""
    death = node().death(7)
    assert (death.topic, death.qos, death.retain) == ("spBv1.0/G/NDEATH/E", 1, False)
    payload = decode(death.payload)
    assert payload.seq is None
    assert [(one.name, one.datatype, one.value) for one in payload.metrics] == [("bdSeq", DataType.INT64, 7)]


def test_topics_nbirth_metric_reqs_bdseq_matching_rebirth_metric_and_seq_num() -> None:
    """The first message: seq 0, the will's bdSeq, Node Control/Rebirth as a boolean that is false, a timestamp."""
    (topic, payload), *_ = read(node().births(look(M_1=ONE), 7))
    assert topic == "spBv1.0/G/NBIRTH/E"
    assert payload.seq == 0
    assert payload.timestamp_ms
    found = {one.name: (one.datatype, one.value) for one in payload.metrics}
    assert found["bdSeq"] == (DataType.INT64, 7)
    assert found["Node Control/Rebirth"] == (DataType.BOOLEAN, False)
    assert all(one.timestamp_ms for one in payload.metrics)


def test_topics_dbirth_metrics_and_payloads_alias_birth_requirement() -> None:
    """A DBIRTH of each meter after the NBIRTH: name, alias, data type, time and value of all it reports."""
    _, (topic, payload) = read(node().births(look(M_1=ONE), 0))
    assert topic == "spBv1.0/G/DBIRTH/E/M:1"
    assert payload.seq == 1
    assert {one.name: one.value for one in payload.metrics} == ONE
    for one in payload.metrics:
        assert (one.datatype, one.alias is None, one.properties["engUnit"]) == (DataType.DOUBLE, False, "kWh")
    times = [one.timestamp_ms for one in payload.metrics if one.timestamp_ms is not None]
    assert times == sorted(times), "data-publish-dbirth-order: chronological"


def test_payloads_alias_uniqueness() -> None:
    """No two metrics of the node have the same, whichever meter's they are; births again give the same."""
    one = node()
    first, again = (read(one.births(look(M_1=ONE, M_2=ONE), 0)) for _ in range(2))
    aliases = [metric.alias for _, payload in first for metric in payload.metrics if metric.alias is not None]
    assert len(aliases) == len(set(aliases)) == 4
    assert [payload.metrics[0].alias for _, payload in again[1:]] == [
        payload.metrics[0].alias for _, payload in first[1:]
    ]


def test_topics_ddata_payload_and_payloads_alias_data_cmd_requirement() -> None:
    """Only what has changed, by alias alone, with its time; what has not is not repeated."""
    one = node()
    births = read(one.births(look(M_1=ONE), 0))
    ((topic, payload),) = read(one.data(look(5, M_1=ONE | {"1-0:1.8.0": 2.0})))
    assert topic == "spBv1.0/G/DDATA/E/M:1"
    (metric,) = payload.metrics
    born = next(metric for metric in births[1][1].metrics if metric.name == "1-0:1.8.0")
    assert (metric.name, metric.alias, metric.value) == (None, born.alias, 2.0)
    assert metric.timestamp_ms == born.timestamp_ms + 5000 if born.timestamp_ms else False
    assert one.data(look(10, M_1=ONE | {"1-0:1.8.0": 2.0})) == []


def test_payloads_sequence_num_incrementing() -> None:
    """By one with each message of the node, of whichever device, and after 255 comes 0."""
    one = node()
    numbers = [payload.seq for _, payload in read(one.births(look(M_1=ONE, M_2=ONE), 0))]
    for step in range(300):
        messages = one.data(look(step, M_1={"1-0:1.8.0": float(step), "1-0:2.8.0": 0.5}, M_2=ONE))
        numbers += [payload.seq for _, payload in read(messages)]
    assert numbers == [number % 256 for number in range(len(numbers))]
    assert len(numbers) > 256


def test_operational_behavior_device_ddeath() -> None:
    """A meter that goes, is silent, or whose Pi is away dies with a number and a time, and is born again."""
    one = node()
    one.births(look(M_1=ONE, M_2=ONE), 0)
    ((topic, payload),) = read(one.data(look(5, M_2=ONE)))
    assert (topic, payload.metrics) == ("spBv1.0/G/DDEATH/E/M:1", ())
    assert payload.seq == 3
    assert payload.timestamp_ms
    ((topic, payload),) = read(one.data(look(10, M_1=ONE, M_2=ONE)))
    assert (topic, payload.seq) == ("spBv1.0/G/DBIRTH/E/M:1", 4)
    silent = Snapshot(NOW + timedelta(hours=1), look(10, M_1=ONE, M_2=ONE).meters)
    assert [NodeTopic.parse(topic).kind for topic, _ in one.data(silent)] == [MessageType.DDEATH] * 2


def test_topics_dbirth_metric_reqs() -> None:
    """A code that no birth had is not sent as data: the device is born again with all that it reports."""
    one = node()
    one.births(look(M_1=ONE), 0)
    ((topic, payload),) = read(one.data(look(5, M_1=ONE | {"1-0:16.7.0": 0.2})))
    assert topic == "spBv1.0/G/DBIRTH/E/M:1"
    assert {metric.name for metric in payload.metrics} == {*ONE, "1-0:16.7.0"}


def test_operational_behavior_data_commands_rebirth_name_and_value() -> None:
    """Node Control/Rebirth with true on the node's own NCMD topic, and nothing else, asks for births."""
    one = node()

    def command(name: str, value: bool) -> bytes:
        return encode(Payload((Metric(name, datatype=DataType.BOOLEAN, value=value),), 1))

    assert one.asks_for_births(one.commands, command(REBIRTH, True))
    assert not one.asks_for_births(one.commands, command(REBIRTH, False))
    assert not one.asks_for_births(one.commands, command("Node Control/Reboot", True))
    assert not one.asks_for_births("spBv1.0/G/NCMD/other", command(REBIRTH, True))
    with pytest.raises(ContractError):
        one.asks_for_births(one.commands, b"\xff")


def stored(before_s: float, value: float = 1.0, key: str = "M:1", unit: str = "kWh") -> StoredReading:
    """A reading of so long before the look."""
    return StoredReading(1, key, "1-0:1.8.0", unit, NOW - timedelta(seconds=before_s), value)


def test_payloads_is_historical() -> None:
    """What is older than what hosts know: by alias, with its time and the flag, oldest first, numbered on."""
    one = node()
    births = read(one.births(look(M_1=ONE), 0))
    late = one.history([stored(30, 3.0), stored(60, 2.0)])
    ((topic, payload),) = read(late.messages)
    assert (topic, payload.seq) == ("spBv1.0/G/DDATA/E/M:1", 2)
    alias = next(metric.alias for metric in births[1][1].metrics if metric.name == "1-0:1.8.0")
    assert [(metric.name, metric.alias, metric.value) for metric in payload.metrics] == [
        (None, alias, 2.0), (None, alias, 3.0),
    ]  # fmt: skip
    assert all(metric.is_historical and metric.timestamp_ms for metric in payload.metrics)
    assert (late.readings, late.untold) == (2, 0)
    assert not any(metric.is_historical for _, born in births for metric in born.metrics)


def test_what_was_told_as_the_present_is_no_history() -> None:
    """Not the newest, not that of the looks before, changed or not; after births anew what was told before them is."""
    one = node()
    one.births(look(M_1=ONE), 0)
    for after_s in (5, 10):
        one.data(look(after_s, M_1=ONE))
    assert one.history([stored(0), stored(-5), stored(-10)]).messages == []
    ((_, payload),) = read(one.history([stored(-7, 1.25), stored(-5)]).messages)
    assert [metric.value for metric in payload.metrics] == [1.25]
    # spans are coarse: an hour of a commit's series may be read again
    assert one.history([stored(-7, 1.25), stored(-6)]).readings == 1
    one.forget()
    assert one.history([stored(-7, 1.25), stored(-6)]).readings == 2
    one.births(look(10, M_1=ONE), 1)
    assert one.history([stored(0), stored(-5), stored(-7), stored(-10)]).readings == 3


def test_what_was_told_is_remembered_for_a_while_and_memory_is_bounded() -> None:
    """The newest so many at least, twice as many at most."""
    told = Recently(most=3)
    assert [told.add(number) for number in (1, 2, 3, 1, 4, 5, 3)] == [True, True, True, False, True, True, False]
    assert [told.add(number) for number in (6, 7)] == [True, True]
    assert told.add(1)
    told.clear()
    assert told.add(7)


def test_topics_ddata_payload_of_what_no_birth_has() -> None:
    """No data of a device that is dead, of a code or unit that its birth did not have: it is counted."""
    one = node()
    one.births(look(M_1={"1-0:2.8.0": 1.0}), 0)
    late = one.history([stored(30), stored(30, key="M:2")])
    assert (late.messages, late.readings, late.untold) == ([], 0, 2)
    one.data(look(1, M_1=ONE))
    late = one.history([stored(30), stored(30, unit="MWh")])
    assert (late.readings, late.untold) == (1, 1)


def test_history_of_days_is_many_messages() -> None:
    """Each of a size that brokers take, numbered one after the other."""
    one = node()
    one.births(look(M_1=ONE), 0)
    messages = one.history([stored(30 + place) for place in range(2 * HISTORY_METRICS + 1)]).messages
    assert [(payload.seq, len(payload.metrics)) for _, payload in read(messages)] == [
        (2, HISTORY_METRICS), (3, HISTORY_METRICS), (4, 1),
    ]  # fmt: skip
    assert all(len(data) < 20_000 for _, data in messages)


def test_topic_structure_namespace_unique_device_id() -> None:
    """Keys of meters may have what topics reserve, and stay apart."""
    assert device_id("LGZ:1") == "LGZ:1"
    ids = [device_id(key) for key in ("A/1", "A+1", "A#1", "A_1")]
    assert len(set(ids)) == 4
    assert not set("+/#") & set("".join(ids))
