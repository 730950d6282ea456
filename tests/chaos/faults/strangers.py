"""What others do on the bus: poison, a share of the subscription, an id twice."""

import asyncio
import json
import secrets
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import SecretStr

from broker.contract.topics import Kind, Topics
from broker.mqtt.session import Publication, Session, SessionOptions
from broker.runtime.settings import BrokerAddress
from deploy.local.process import free_port
from ingestor.service import subscriptions
from tests.chaos.meters import CountingP1Meter
from tests.chaos.plan import Plan
from tests.chaos.registry import fault
from tests.chaos.service import Process
from tests.chaos.stack import Stack
from tests.chaos.truth import Truth

HUGE: Final = 1.7e308
STRANGER: Final = "stranger"


def _address(stack: Stack, user: str) -> BrokerAddress:
    word = SecretStr(stack.broker.credentials[user])
    return BrokerAddress(host=stack.broker.host, port=stack.broker.port, username=user, password=word)


def _poison(number: int) -> list[tuple[Kind, bytes]]:
    """One of each kind of what a bad device may say."""
    now = datetime.now(UTC).isoformat()

    def readings(**changes: Any) -> bytes:
        sample = {"at": now, "values": {"1-0:1.8.0": 1.0}}
        document = {"boot": "bad1", "seq": number, "meter": "TST:BAD", "spec": "test@1", "clock": "synced"}
        return json.dumps({**document, "samples": [sample], **changes}).encode()

    def of(at: str, value: float) -> list[dict[str, Any]]:
        return [{"at": at, "values": {"1-0:1.8.0": value}}]

    return [
        (Kind.READINGS, b"\xff\x00 no json"),
        (Kind.READINGS, readings(samples=[])),
        (Kind.READINGS, readings(seq=number + 1, samples=of(now, HUGE) + of("2026-01-01T00:00:00Z", HUGE))),
        (Kind.READINGS, readings(seq=number + 2, samples=of("1971-01-01T00:00:00Z", 1.0))),
        (Kind.READINGS, readings(seq=number + 3, samples=of("2999-01-01T00:00:00Z", 1.0))),
        (Kind.READINGS, readings(boot=secrets.token_hex(4), seq=2**53)),
        (Kind.FRAMES, b'{"boot": 1}'),
        (Kind.EVENTS, b"[" * 5000),
        (Kind.STATUS, b"{}"),
    ]


@fault(quarantines=True)
async def poison_amid_good_ones(stack: Stack) -> None:
    """A device sends what no contract allows, and what no meter could mean, amid the others' good messages."""
    topics = Topics()
    stack.foreign.add("TST:BAD")
    async with Session(_address(stack, STRANGER), SessionOptions(STRANGER, in_flight=20)) as session:
        await asyncio.wait_for(session.wait_connected(), 15)
        for number in range(0, 120, 10):
            for kind, payload in _poison(number + 1):
                await asyncio.wait_for(session.publish(Publication(topics.of(kind, STRANGER), payload), 20), 25)
            await asyncio.sleep(0.3)


@fault(Plan(ingestors=2))
async def stranger_takes_a_share(stack: Stack) -> None:
    """Somebody with the ingestors' login subscribes with their group, and takes and acknowledges a share."""
    filters = tuple(one for one in subscriptions(Topics(), "chaos") if one[0].startswith("$share/"))
    filters = filters or (("$share/chaos/" + Topics().everything(), 1),)
    options = SessionOptions("a-stranger", subscriptions=filters)
    async with Session(_address(stack, "ingestor"), options) as session:

        async def take() -> None:
            async for message in session.messages():
                message.ack()

        taking = asyncio.create_task(take(), name="chaos.stranger")
        await asyncio.sleep(stack.rng.uniform(8, 12))
        taking.cancel()


@fault()
async def session_expired(stack: Stack) -> None:
    """The broker has dropped the absent ingestor's session with all that it kept for it, as when it expires."""
    await stack.ingestor.process.stop()
    await asyncio.sleep(stack.rng.uniform(3, 6))
    # whoever comes under a client's id with a clean start ends its session (MQTT 5 3.1.2.4)
    for client_id in ("wattline-ingestor-0", "wattline-ingestor-0-status"):
        async with Session(_address(stack, "ingestor"), SessionOptions(client_id, clean_start=True)) as session:
            await asyncio.wait_for(session.wait_connected(), 15)
    await asyncio.sleep(3)
    await stack.ingestor.process.start()


@fault(Plan(broker={"max_queued_messages": "60"}))
async def broker_queue_over_its_limit(stack: Stack) -> None:
    """The broker keeps no more than 60 messages for an absent ingestor and drops the rest, acknowledged."""
    await stack.ingestor.process.stop()
    await asyncio.sleep(15)
    await stack.ingestor.process.start()


@fault(drain_s=400.0, slow=True)
async def two_devices_of_one_id(stack: Stack) -> None:
    """A second agent comes under a device's id for 25 s, with another meter, and both fight for the session."""
    agent = stack.agent
    folder = stack.folder / "twin"
    folder.mkdir(exist_ok=True)
    with Truth(folder / "truth.jsonl") as truth:
        meter = CountingP1Meter(truth, first_wh=77_000_000, phase_s=0.9, serial="E0044007133159999")
        async with meter:
            meter.speaking.set()
            port = free_port()
            environment = agent.process.environment | {
                "WATTLINE_DEVICE_DATA_FOLDER": str(folder / "data"),
                "WATTLINE_DEVICE_PORTS": str(meter.port),
                "WATTLINE_DEVICE_HTTP_PORT": str(port),
            }
            twin = Process("twin", ["device"], environment, stack.folder / "logs", port)
            await twin.start()
            await asyncio.sleep(25)
            await twin.kill()
        stack.foreign |= set(truth.given)
