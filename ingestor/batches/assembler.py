"""Messages into batches: what each delivery is, what names it needs, and quarantine of what can't be taken."""

import contextlib

import structlog

from broker.contract.messages import EventMessage, Frames, Readings, Status
from broker.contract.topics import Address, Kind, Topics
from broker.errors import ContractError
from ingestor.batches import quarantine_rows as quarantine
from ingestor.batches.batch import Batch, Received, Salvaged, Waiting
from ingestor.batches.conflicts import explain
from ingestor.batches.fast_path import FastPath
from ingestor.batches.names import Names, Wanted
from ingestor.batches.quarantine_writer import QuarantineWriter
from ingestor.batches.records import DeviceStatus, Stored, clean, salvage
from ingestor.batches.rows import DAY_US, ledger_row
from ingestor.batches.store import Conflict
from ingestor.batches.telemetry import Telemetry
from ingestor.batches.value_checks import points_of
from ingestor.metrics import Metrics
from ingestor.settings import Judging
from store.codes import KIND_CODES
from store.quota_tally import Tally

log = structlog.get_logger()

_MODELS: dict[Kind, type[Readings | Frames | EventMessage]] = {
    Kind.READINGS: Readings,
    Kind.FRAMES: Frames,
    Kind.EVENTS: EventMessage,
}
_CACHED_TOPICS = 100_000
MOST_DAYS = 32
"""Days of readings in one transaction, each of which may make a chunk: on a busy machine 20 ms."""


class Assembler:
    """Fills batches. It does no I/O: names that memory lacks make a message wait in the batch until `complete()`.

    The topics taken apart are remembered, up to a bound at which they are all forgotten.
    """

    def __init__(
        self, settings: Judging, topics: Topics, names: Names, metrics: Metrics, tally: Tally | None = None
    ) -> None:
        self._client_id = settings.client_id
        self._topics = topics
        self._names = names
        self._metrics = metrics
        self._quarantine = QuarantineWriter(settings.client_id, tally or Tally())
        self._telemetry = Telemetry(settings, names, self._quarantine, metrics)
        self._fast_path = FastPath(settings, names)
        self._addresses: dict[str, Address] = {}

    def add(self, batch: Batch, received: Received) -> None:
        """Enter one delivery; whatever it holds, it ends up stored, in quarantine, or known to be of no concern."""
        delivery = received.delivery
        if not batch.received:
            batch.generation = self._names.generation
        received.cut = False
        kind = self._enter_delivery(batch, received)
        if received.cut:
            batch.let_go(delivery)
            return
        batch.count(kind)
        batch.received.append(received)
        batch.deliveries.append(delivery)
        batch.payload_bytes += len(delivery.payload)

    def _enter_delivery(self, batch: Batch, received: Received) -> str:
        """Enter what one delivery holds; returns its kind."""
        delivery = received.delivery
        try:
            address = self._addresses.get(delivery.topic) or self._take_apart(delivery.topic)
        except ContractError as error:
            sender = self._topics.sender(delivery.topic)
            self._quarantine.whole(batch, received, quarantine.UNKNOWN_TOPIC, str(error), sender)
            return "unknown"
        try:
            self._read(batch, received, address)
        except (ContractError, ValueError, ArithmeticError, RecursionError) as error:
            reason = quarantine.reason_of(error, delivery.payload)
            self._refuse(batch, received, address, reason, str(error))
        except Exception as error:
            # a message on which our own code fails would come again for ever, and stop all that come after it
            log.exception("message_failed", topic=delivery.topic, bytes=len(delivery.payload))
            self._metrics.errors.inc()
            self._refuse(batch, received, address, quarantine.INTERNAL_ERROR, repr(error))
        return address.kind

    def is_stale(self, batch: Batch) -> bool:
        """Whether memory lost what its messages were judged by: ids of another database, meters that have moved."""
        return batch.generation != self._names.generation

    def rebuild(self, received: list[Received]) -> Batch:
        """The same deliveries in a batch of their own."""
        batch = Batch()
        for one in received:
            # what was cut has lost its payload; its sender keeps it
            if not one.cut:
                self.add(batch, one)
        return batch

    def parted(self, batch: Batch) -> tuple[Batch, Batch | None]:
        """A batch without what reads of long ago and spreads over many days, and that; None where there is no such."""
        if len(batch.days()) <= MOST_DAYS:
            return batch, None
        near, far = list[Received](), list[Received]()
        for one in batch.received:
            today = one.received_us // DAY_US
            days = self.rebuild([one]).days()
            (far if any(abs(day - today) >= MOST_DAYS for day in days) else near).append(one)
        return (self.rebuild(near), self.rebuild(far)) if far else (batch, None)

    def refused(self, received: Received, detail: str) -> Batch:
        """A batch that puts one delivery, which the database refuses, into quarantine."""
        batch = Batch(received=[received], payload_bytes=len(received.delivery.payload))
        batch.generation = self._names.generation
        batch.count("refused")
        sender = self._topics.sender(received.delivery.topic)
        if not self._quarantine.whole(batch, received, quarantine.REFUSED_BY_DATABASE, detail, sender):
            return batch
        with contextlib.suppress(ContractError):
            self._salvage(batch, received, self._topics.parse(received.delivery.topic))
        return batch

    def conflicting(self, batch: Batch, conflicts: list[Conflict]) -> list[Stored]:
        """The rows for quarantine of values that the table has other ones for; a message that came twice is one."""
        found = explain(self._client_id, batch.received, conflicts, self._topics.parse)
        kept = (row for received, row in found if self._quarantine.row(batch, received, row, row.device or ""))
        return list({row.delivery: row for row in kept}.values())

    def wanted(self, batch: Batch) -> Wanted:
        """The names that the batch needs and memory lacks."""
        names, wanted = self._names, Wanted()
        for waiting in batch.waiting:
            device, message = waiting.address.device, waiting.message
            wanted.devices.add(device)
            if message.meter is None:
                continue
            if message.meter not in names.meters:
                spec = message.spec if isinstance(message, Readings) else None
                wanted.meters.setdefault(message.meter, (device, spec))
            if isinstance(message, Readings):
                wanted.points.setdefault((message.meter, device), set()).update(points_of(message))
        wanted.devices.update(stored.device for stored in batch.stored.values() if stored.device)
        wanted.devices.update(batch.statuses)
        wanted.devices.difference_update(names.devices)
        return wanted

    def complete(self, batch: Batch) -> None:
        """Enter what waited, now that its names are found; what still has none is beyond a limit."""
        waiting, batch.waiting = batch.waiting, []
        for one in waiting:
            self._enter(batch, one.received, one.address, one.message, final=True)
        for device in [device for device in batch.statuses if device not in self._names.devices]:
            received, _ = batch.statuses.pop(device)
            self._beyond_devices(batch, received, device)
        for salvaged in batch.salvaged:
            device_id = self._names.devices.get(salvaged.address.device)
            if device_id is not None:
                kind = KIND_CODES[salvaged.address.kind]
                batch.ledger += ledger_row(
                    salvaged.received_us, None, salvaged.seq, device_id, None, 0, kind, salvaged.boot, None, None
                )
                batch.ledger_rows += 1
        batch.salvaged.clear()
        named = batch.statuses.keys() | {stored.device for stored in batch.stored.values() if stored.device}
        batch.device_ids = {name: self._names.devices[name] for name in named if name in self._names.devices}

    def _take_apart(self, topic: str) -> Address:
        address = self._topics.parse(topic)
        if len(self._addresses) >= _CACHED_TOPICS:
            self._addresses.clear()
        self._addresses[topic] = address
        return address

    def _read(self, batch: Batch, received: Received, address: Address) -> None:
        """Parse a payload; the gateway's kinds and an empty status, which only ends a retained one, are no concern."""
        payload = received.delivery.payload
        if address.kind is Kind.READINGS and self._fast_path.enter(batch, received, address.device):
            return
        model = _MODELS.get(address.kind)
        if model is not None:
            message = model.parse(payload)
            if not self._quarantine.admits(received, address.device, message):
                return
            batch.confirmed.append((address.device, message.boot, message.seq))
            if isinstance(message, Readings):
                self._fast_path.learn(message)
            self._enter(batch, received, address, message, final=False)
        elif address.kind is Kind.STATUS and payload:
            status = Status.parse(payload)
            state = DeviceStatus(status.online, status.since, status.boot, clean(status.software), status.outbox)
            batch.statuses[address.device] = (received, state)

    def _enter(
        self,
        batch: Batch,
        received: Received,
        address: Address,
        message: Readings | Frames | EventMessage,
        *,
        final: bool,
    ) -> None:
        device = address.device
        meter = self._names.meters.get(message.meter) if message.meter else None
        if device not in self._names.devices:
            if final:
                self._beyond_devices(batch, received, device)
            else:
                batch.waiting.append(Waiting(received, address, message))
        elif meter is None and message.meter and not final:
            batch.waiting.append(Waiting(received, address, message))
        elif isinstance(message, Frames):
            self._telemetry.frames(batch, received, device, meter, message)
        elif isinstance(message, EventMessage):
            self._telemetry.event(batch, received, device, meter, message)
        elif meter is None:
            detail = f"meter: {message.meter} is beyond the limit of meters of {device}"
            self._refuse(batch, received, address, quarantine.METER_LIMIT, detail)
        elif not self._telemetry.readings(batch, received, device, meter, message, final=final):
            batch.waiting.append(Waiting(received, address, message))

    def _refuse(self, batch: Batch, received: Received, address: Address, reason: str, detail: str) -> None:
        device = address.device
        state = address.kind is Kind.STATUS
        if self._quarantine.whole(batch, received, reason, detail, device, device or None, state=state):
            self._salvage(batch, received, address)

    @staticmethod
    def _salvage(batch: Batch, received: Received, address: Address) -> None:
        """Quarantine loses no message: the ledger enters it, and it has its receipt, or it would come for ever."""
        found = salvage(received.delivery.payload) if address.kind in KIND_CODES else None
        if found is not None:
            batch.salvaged.append(Salvaged(address, received.received_us, *found))
            batch.confirmed.append((address.device, *found))

    def _beyond_devices(self, batch: Batch, received: Received, device: str) -> None:
        detail = f"device {device} is beyond the limit of devices"
        self._quarantine.whole(batch, received, quarantine.DEVICE_LIMIT, detail, device)
