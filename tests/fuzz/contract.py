"""Payloads of each message, topics, and what the ingestor makes of a delivery."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from itertools import cycle
from typing import Final

from pydantic import SecretStr

from broker.contract import messages
from broker.contract.obis import Obis, canonical, lookup
from broker.contract.topics import Topics
from broker.errors import WattlineError
from broker.mqtt.publication import Inbound
from broker.sparkplug.decoding import decode as decode_sparkplug
from ingestor.batches.assembler import Assembler
from ingestor.batches.batch import Batch, Received
from ingestor.batches.limits import Limits
from ingestor.batches.meter import Meter
from ingestor.batches.names import Names
from ingestor.batches.rows import micros
from ingestor.metrics import Metrics
from ingestor.settings import IngestorSettings
from intake.bridge.sparkplug.nodes import Nodes, place_of
from tests.fuzz import seeds
from tests.fuzz.registry import Try, target

NOW_US: Final = micros(datetime(2026, 11, 23, 10, 0, 5, tzinfo=UTC))
MODELS: Final = {
    "readings": messages.Readings,
    "frames": messages.Frames,
    "event": messages.EventMessage,
    "receipts": messages.Receipts,
    "status": messages.Status,
    "registration": messages.Registration,
    "desired": messages.Desired,
    "reported": messages.Reported,
    "command": messages.Command,
    "reply": messages.Reply,
    "spec": messages.SpecMessage,
}
TOPIC_SEEDS: Final = tuple(
    f"wattline/v1/{rest}".encode()
    for rest in (
        "devices/pi-1/readings",
        "devices/pi-1/commands/ping",
        "specs/lgz-e350/3",
        "devices/pi-1/config/desired",
    )
)


def _message(name: str, model: type[messages.Message]) -> None:
    @target(f"message-{name}", lambda: seeds.contract(name), share=20)
    def make() -> Try:
        def attempt(payload: bytes) -> None:
            found = model.parse(payload)
            # once through our own hands a message stays as it is
            again = model.parse(found.payload())
            assert model.parse(again.payload()) == again

        return attempt


for _name, _model in MODELS.items():
    _message(_name, _model)


@target("topics", lambda: TOPIC_SEEDS, share=30)
def _topics() -> Try:
    topics = Topics()

    def attempt(data: bytes) -> None:
        topics.parse(data.decode("utf-8", "replace"))

    return attempt


@target("obis", lambda: (b"1-0:1.8.0", b"1-0:1.8.0*255", b"0-1:24.2.1", b"C.1.0", b"129-129:199.130.3*255"), share=20)
def _obis() -> Try:
    def attempt(data: bytes) -> None:
        code = Obis.parse(data.decode("latin-1"))
        assert Obis.parse(str(code)) == code
        lookup(code)
        for unit in ("kWh", "Wh", "m³", "", None):
            with suppress(WattlineError):
                canonical(code, Decimal("1.5"), unit)

    return attempt


@target("sparkplug", seeds.sparkplug, share=20)
def _sparkplug() -> Try:
    nodes, topics = Nodes(), ("spBv1.0/g/NBIRTH/n", "spBv1.0/g/DDATA/n/d", "spBv1.0/g/NDEATH/n", "spBv1.0/g/NDATA/n")
    places = cycle([place for topic in topics if (place := place_of(topic)) is not None])

    def attempt(data: bytes) -> None:
        heard = nodes.hear(next(places), decode_sparkplug(data, plain=True), 0.0)
        # what is kept for the source must be JSON
        json.dumps(heard.document, allow_nan=False)
        decode_sparkplug(data)

    return attempt


def _deliveries() -> tuple[bytes, ...]:
    kinds = {"readings": "readings", "frames": "frames", "event": "events", "status": "status"}
    return tuple(f"{topic} ".encode() + seeds.contract(name)[0] for name, topic in kinds.items())


@target("ingestor", _deliveries, share=10)
def _ingestor() -> Try:
    names, metrics = Names(Limits()), Metrics()
    names.devices["pi-1"] = 1
    names.meters["LGZ:12345678"] = Meter(7, points={("1-0:1.8.0", "kWh"): 70}, series={"1-0:1.8.0": 70})
    settings = IngestorSettings(database_dsn=SecretStr("postgresql://x"))
    assembler = Assembler(settings, Topics(), names, metrics)

    def attempt(data: bytes) -> None:
        kind, _, payload = data.partition(b" ")
        topic = f"wattline/v1/devices/pi-1/{kind.decode('latin-1')}"
        failed = metrics.errors._value.get()
        inbound = Inbound(topic, payload, False, 1, 1, None, None, None)  # type: ignore[arg-type]
        batch = Batch()
        assembler.add(batch, Received(inbound, NOW_US, doubtful=True))
        assembler.wanted(batch)
        if metrics.errors._value.get() > failed:
            raise AssertionError("the ingestor's own code failed on this message")

    return attempt
