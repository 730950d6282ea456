"""Sparkplug's topics, by the numbered rules of its specification (chapter 4)."""

import pytest

from broker.errors import ContractError
from broker.sparkplug.topics import MessageType, NodeTopic, next_seq, state_payload, state_topic


def test_tck_id_topic_structure() -> None:
    """namespace/group_id/message_type/edge_node_id/[device_id], and back."""
    for text in ("spBv1.0/G/NBIRTH/E", "spBv1.0/G/DDATA/E/D"):
        assert str(NodeTopic.parse(text)) == text
    assert NodeTopic.parse("spBv1.0/G/DCMD/E/D") == NodeTopic(MessageType.DCMD, "G", "E", "D")
    assert state_topic("scada") == "spBv1.0/STATE/scada"
    assert state_payload(7, online=True) == b'{"online": true, "timestamp": 7}'


@pytest.mark.parametrize("kind", ["DBIRTH", "DDEATH", "DDATA", "DCMD"])
def test_tck_id_topic_structure_namespace_device_id_associated_message_types(kind: str) -> None:
    """These name a device."""
    with pytest.raises(ContractError, match="device"):
        NodeTopic.parse(f"spBv1.0/G/{kind}/E")


@pytest.mark.parametrize("kind", ["NBIRTH", "NDEATH", "NDATA", "NCMD"])
def test_tck_id_topic_structure_namespace_device_id_non_associated_message_types(kind: str) -> None:
    """These must not."""
    with pytest.raises(ContractError, match="device"):
        NodeTopic.parse(f"spBv1.0/G/{kind}/E/D")


@pytest.mark.parametrize("bad", ["", "a/b", "a+", "#", "a\0"])
def test_tck_id_topic_structure_namespace_valid_ids(bad: str) -> None:
    """+, / and # are nobody's, and an id is not empty."""
    with pytest.raises(ContractError, match="group"):
        NodeTopic(MessageType.NBIRTH, bad, "E")
    with pytest.raises(ContractError, match="edge node"):
        NodeTopic(MessageType.NBIRTH, "G", bad)
    with pytest.raises(ContractError, match="device"):
        NodeTopic(MessageType.DDATA, "G", "E", bad)
    with pytest.raises(ContractError, match="host"):
        state_topic(bad)


@pytest.mark.parametrize("topic", ["spAv1.0/G/NBIRTH/E", "spBv1.0/STATE/host", "spBv1.0/G/XDATA/E", "x", "a/b/c/d/e/f"])
def test_other_topics_are_no_edge_nodes(topic: str) -> None:
    """Of another namespace, a host's, or of a type that is unknown."""
    with pytest.raises(ContractError, match="no topic of an edge node"):
        NodeTopic.parse(topic)


def test_tck_id_payloads_sequence_num_incrementing() -> None:
    """After 255 comes 0."""
    assert [next_seq(0), next_seq(254), next_seq(255)] == [1, 255, 0]
