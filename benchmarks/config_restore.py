"""How long a broker that lost everything takes to be whole again: configurations and specs, from the store."""

import asyncio
import secrets
import time
from pathlib import Path

from pydantic import SecretStr

from benchmarks.report import RestoreResult
from broker.contract.topics import DELIVERY, Kind, Topics
from broker.mqtt.session import Session, SessionOptions
from broker.runtime.settings import BrokerAddress
from deploy.demo.processes import Service, running
from deploy.local.certificates import environment_of
from deploy.local.process import free_port
from deploy.local.stack import LocalStack
from gateway.bus.store import desired_spec_refs
from store.sql import Connection

DEADLINE_S = 300.0
METERS = 2
"""Meters of each device; a spec reads each."""
QUERIES = Path(__file__).parent / "queries"


async def measure_restore(stack: LocalStack, connection: Connection, folder: Path, devices: int) -> RestoreResult:
    """Seed a fleet, let the gateway publish it, wipe the broker, and watch it come back.

    The clock runs from the moment when the emptied broker runs again until its last retained message is there.
    """
    await connection.execute((QUERIES / "seed_fleet.sql").read_text(), devices)
    await connection.execute((QUERIES / "seed_meters.sql").read_text(), METERS)
    port, token = free_port(), secrets.token_urlsafe(24)
    environment = {
        **environment_of(stack.mosquitto.address("gateway"), "WATTLINE_GATEWAY_"),
        "WATTLINE_GATEWAY_DATABASE_DSN": stack.postgres.dsn(user="wattline_gateway"),
        "WATTLINE_GATEWAY_HTTP_PORT": str(port),
        "WATTLINE_GATEWAY_API_TOKEN": token,
    }
    gateway = Service("gateway", ["gateway"], environment, folder)
    began = time.monotonic()
    async with running(gateway):
        await _whole(stack, connection, gateway, devices)
        first_s = time.monotonic() - began
        await stack.mosquitto.stop()
        stack.mosquitto.remove_data()
        await stack.mosquitto.start()
        began = time.monotonic()
        await _whole(stack, connection, gateway, devices)
        restore_s = time.monotonic() - began
        return RestoreResult(devices=devices, first_publish_s=round(first_s, 2), restore_s=round(restore_s, 2))


async def _whole(stack: LocalStack, connection: Connection, gateway: Service, devices: int) -> None:
    """Wait until the broker retains every configuration as the store has it, and every spec that they name."""
    topics = Topics()
    wanted = {
        topics.of(Kind.DESIRED, row["name"])
        for row in await connection.fetch("SELECT name FROM device WHERE name LIKE 'restore-%'")
    }
    if len(wanted) != devices:
        raise RuntimeError(f"{len(wanted)} devices are in the store, not {devices}")
    address = BrokerAddress(
        host=stack.mosquitto.host,
        port=stack.mosquitto.port,
        username="monitor",
        password=SecretStr(stack.mosquitto.credentials["monitor"]),
    )
    filters = tuple((topics.every(kind), DELIVERY[kind].qos) for kind in (Kind.DESIRED, Kind.SPEC))
    options = SessionOptions(f"restore-{secrets.token_hex(4)}", subscriptions=filters)
    specs: set[str] = set()
    refs: set[str] = set()
    async with Session(address, options) as session, asyncio.timeout(DEADLINE_S):
        while wanted or not refs <= specs:
            gateway.check()
            for message in await session.receive(500):
                address_ = topics.parse(message.topic)
                if message.payload and address_.kind is Kind.SPEC:
                    specs.add(f"{address_.spec}@{address_.version}")
                elif message.payload:
                    wanted.discard(message.topic)
                message.ack()
            if not wanted and not refs:
                refs = set(await desired_spec_refs(connection))
