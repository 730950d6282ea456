"""A primary host by the numbered rules of Sparkplug 3.0; a test is called after its rule (tck-id-...)."""

import pytest

from broker.errors import ContractError
from broker.sparkplug.topics import state_payload
from outlet.sparkplug.primary_host import PrimaryHost

TOPIC = "spBv1.0/STATE/scada"


def said(at_ms: int, *, online: bool) -> bytes:
    return state_payload(at_ms, online=online)


def test_message_flow_edge_node_birth_publish_phid_wait() -> None:
    """Online is who says so, by the connection that stands; without an id nobody is waited for."""
    host = PrimaryHost("scada")
    assert not host.online
    assert host.hear(TOPIC, said(5, online=True)) is True
    assert host.online
    host.connecting()
    assert not host.online
    assert host.hear(TOPIC, said(5, online=True)) is True
    nobody = PrimaryHost("")
    nobody.connecting()
    assert nobody.online


def test_message_flow_edge_node_birth_publish_phid_wait_id() -> None:
    """The topic's last token is the host's id, and no part of one."""
    host = PrimaryHost("scada")
    for topic in ("spBv1.0/STATE/scada2", "spBv1.0/STATE/SCADA", "STATE/scada", "spBv1.0/STATE/scada/x"):
        assert host.hear(topic, said(5, online=True)) is None
    assert not host.online


def test_message_flow_edge_node_birth_publish_phid_wait_online() -> None:
    """Only by the boolean true."""
    host = PrimaryHost("scada")
    assert host.hear(TOPIC, said(5, online=False)) is False
    assert not host.online


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"ONLINE", b"[]", b'{"online": "true", "timestamp": 1}', b'{"online": true}', b"\xff",
        b'{"online": true, "timestamp": true}', b'{"online": true, "timestamp": -1}', b"[" * 4000,
        b'{"online": true, "timestamp": 1}' + b" " * 5000,
    ],
)  # fmt: skip
def test_what_is_no_state_is_none(payload: bytes) -> None:
    """It is refused with the form that is wanted, and changes nothing."""
    host = PrimaryHost("scada")
    host.hear(TOPIC, said(5, online=True))
    with pytest.raises(ContractError):
        host.hear(TOPIC, payload)
    assert host.online


def test_message_flow_edge_node_birth_publish_phid_wait_timestamp() -> None:
    """A birth that is older than what came before it is none, whatever came; the first is believed."""
    host = PrimaryHost("scada")
    host.hear(TOPIC, said(9, online=False))
    assert host.hear(TOPIC, said(8, online=True)) is None
    assert not host.online
    assert host.hear(TOPIC, said(9, online=True)) is True


def test_operational_behavior_edge_node_termination_host_offline_timestamp() -> None:
    """A late will of the host's connection before ends nothing; that of the present one, of the same time, does."""
    host = PrimaryHost("scada")
    host.hear(TOPIC, said(7, online=True))
    assert host.hear(TOPIC, said(6, online=False)) is None
    assert host.online
    assert host.hear(TOPIC, said(7, online=False)) is False
    assert not host.online
