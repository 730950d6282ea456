"""Messages into batches: what each delivery is, what names it needs, and quarantine of what can't be taken."""

import contextlib

import structlog

from broker.errors import ContractError
from broker.messages import EventMessage, Frames, Readings, Status
from broker.topics import Address, Kind, Topics
from ingestor import quarantine
from ingestor.batch import Batch, Received, Salvaged, Waiting
from ingestor.conflicts import Conflict, explain
from ingestor.known import Known
from ingestor.metrics import Metrics
from ingestor.names import Names, Wanted
from ingestor.records import DeviceStatus, Stored, clean, salvage
from ingestor.rows import ledger_row
from ingestor.settings import Judging
from ingestor.sift import points_of
from ingestor.telemetry import Telemetry
from store.codes import KIND_CODES

log = structlog.get_logger()

_MODELS: dict[Kind, type[Readings | Frames | EventMessage]] = {
    Kind.READINGS: Readings,
    Kind.FRAMES: Frames,
    Kind.EVENTS: EventMessage,
}
_CACHED_TOPICS = 100_000


class Assembler:
    """Fills batches. It does no I/O: names that memory lacks make a message wait in the batch until `complete()`.

    The topics taken apart are remembered, up to a bound at which they are all forgotten.
    """

    def __init__(self, settings: Judging, topics: Topics, names: Names, metrics: Metrics) -> None:
        self._client_id = settings.client_id
        self._topics = topics
        self._names = names
        self._metrics = metrics
        self._telemetry = Telemetry(settings, names)
        self._known = Known(settings, names)
        self._addresses: dict[str, Address] = {}

    def add(self, batch: Batch, received: Received) -> None:
        """Enter one delivery; whatever it holds, it ends up stored, in quarantine, or known to be of no concern."""
        delivery = received.delivery
        batch.received.append(received)
        batch.payload_bytes += len(delivery.payload)
        try:
            address = self._addresses.get(delivery.topic) or self._take_apart(delivery.topic)
        except ContractError as error:
            batch.count("unknown")
            batch.add_stored(quarantine.whole(self._client_id, received, quarantine.UNKNOWN_TOPIC, str(error)))
            return
        batch.count(address.kind)
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

    def rebuild(self, received: list[Received]) -> Batch:
        """The same deliveries in a batch of their own."""
        batch = Batch()
        for one in received:
            self.add(batch, one)
        return batch

    def refused(self, received: Received, detail: str) -> Batch:
        """A batch that puts one delivery, which the database refuses, into quarantine."""
        batch = Batch(received=[received], payload_bytes=len(received.delivery.payload))
        batch.count("refused")
        batch.add_stored(quarantine.whole(self._client_id, received, quarantine.REFUSED_BY_DATABASE, detail))
        with contextlib.suppress(ContractError):
            self._salvage(batch, received, self._topics.parse(received.delivery.topic))
        return batch

    def conflicting(self, batch: Batch, conflicts: list[Conflict]) -> list[Stored]:
        """The rows for quarantine of values that the table has other ones for; a message that came twice is one."""
        rows = explain(self._client_id, batch.received, conflicts, self._topics.parse)
        return list({row.delivery: row for row in rows}.values())

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
                wanted.points.setdefault(message.meter, set()).update(points_of(message))
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
            batch.add_stored(self._beyond_devices(received, device))
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
        if address.kind is Kind.READINGS and self._known.enter(batch, received, address.device):
            return
        model = _MODELS.get(address.kind)
        if model is not None:
            message = model.parse(payload)
            batch.confirmed.append((address.device, message.boot, message.seq))
            if isinstance(message, Readings):
                self._known.learn(message)
            self._enter(batch, received, address, message, final=False)
        elif address.kind is Kind.STATUS and payload:
            status = Status.parse(payload)
            state = DeviceStatus(status.online, status.since, status.boot, clean(status.software))
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
                batch.add_stored(self._beyond_devices(received, device))
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
        device = address.device or None
        state = address.kind is Kind.STATUS
        batch.add_stored(quarantine.whole(self._client_id, received, reason, detail, device, state=state))
        self._salvage(batch, received, address)

    @staticmethod
    def _salvage(batch: Batch, received: Received, address: Address) -> None:
        """Quarantine loses no message: the ledger enters it, and it has its receipt, or it would come for ever."""
        found = salvage(received.delivery.payload) if address.kind in KIND_CODES else None
        if found is not None:
            batch.salvaged.append(Salvaged(address, received.received_us, *found))
            batch.confirmed.append((address.device, *found))

    def _beyond_devices(self, received: Received, device: str) -> Stored:
        detail = f"device {device} is beyond the limit of devices"
        return quarantine.whole(self._client_id, received, quarantine.DEVICE_LIMIT, detail)
