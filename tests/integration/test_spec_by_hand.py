"""Specs that an engineer publishes retained on `specs/{spec}/{version}` with any MQTT client."""

import json
from typing import Any

import pytest

from broker.contract.topics import Kind
from broker.mqtt.session import Publication, Session
from meters.specs.spec import load_spec, spec_document
from tests.rigs.gateway import entered, events, gateway, gateway_settings, p1_meter, registration, rows, send, watching
from tests.rigs.servers import Broker, Database
from tests.rigs.specs import KEY, acme, published
from tests.rigs.waiting import until


def message(text: str, **changes: Any) -> bytes:
    """What an engineer publishes: the spec without its digest."""
    spec = load_spec(text, origin="test")
    document = {"spec": spec.name, "version": spec.version, "document": spec_document(spec)}
    return json.dumps({**document, **changes}).encode()


async def by_hand(engineer: Session, broker: Broker, payload: bytes, name: str = "acme-one", version: int = 1) -> str:
    topic = broker.topics.spec(name, version)
    await engineer.publish(Publication(topic, payload, retain=True))
    return topic


async def test_a_spec_by_hand_is_published_and_reads_its_meters(broker: Broker, database: Database) -> None:
    """It goes the way of the API: goldens run, meters are matched, the digest is filled in, and who did it is kept."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "d1") as device,
        entered(broker, "engineer") as engineer,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter(KEY)))
        topic = await by_hand(engineer, broker, message(acme()))
        await until(
            lambda: (d := seen.desired("d1")) and d.meters.get(KEY) and d.meters[KEY].spec == "acme-one@1",
            "the meter has the spec",
        )
        one = await running.get("/specs/acme-one/1")
        assert (one["state"], one["author"]) == ("published", "hand")
        await until(lambda: json.loads(seen.newest[topic]).get("sha256") == one["sha256"], "the digest is filled in")
        await until(lambda: seen.count[topic] >= 2, "ours came back")
    assert [event["detail"]["spec"] for event in await events(database, "spec_published")] == ["acme-one@1"]
    audited = await rows(database, "SELECT actor, path, status, result FROM audit WHERE action = 'publishByHand'")
    assert audited == [{"actor": "hand", "path": topic, "status": 200, "result": "done"}]


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"no json", "payload"),
        (message(acme(), spec="other"), "spec"),
        (message(acme(name="other"), spec="acme-one"), "document.name"),
        (message(acme(kw="9.999")), "document.goldens.0.values.1-0:1.7.0"),
    ],
)
async def test_a_wrong_spec_by_hand_is_taken_away_and_told(
    broker: Broker, database: Database, payload: bytes, field: str
) -> None:
    """It is kept in quarantine, the event names the field, the topic is cleared, and nothing is published."""
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "engineer") as engineer,
    ):
        topic = await by_hand(engineer, broker, payload)
        await until(lambda: seen.newest.get(topic) == b"" and seen.count[topic] >= 2, "the topic is cleared")
        assert not [one for one in (await running.get("/specs", limit=1000))["items"] if one["spec"] == "acme-one"]
        (event,) = await until(lambda: events(database, "payload_refused"), "an event tells")
        assert event["detail"]["field"].startswith(field)
        assert await running.metric("wattline_gateway_quarantined_total", kind="specs") == 1
    (kept,) = await rows(database, "SELECT data FROM frame WHERE kind = 'payload'")
    assert bytes(kept["data"]) == payload


async def test_a_published_version_is_put_back_over_another_content(broker: Broker, database: Database) -> None:
    """What is published never changes, by no hand; the attempt is told."""
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "engineer") as engineer,
    ):
        await published(running, acme())
        topic = await by_hand(engineer, broker, message(acme(more="digits: 6")))
        await until(lambda: seen.count.get(topic, 0) >= 2, "theirs, and ours after it")
        assert "digits" not in json.loads(seen.newest[topic])["document"]
        (event,) = await until(lambda: events(database, "payload_refused"), "an event tells")
        assert event["detail"]["field"] == "version"
