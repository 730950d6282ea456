"""What of a device's messages is kept beside its readings, as far as its quotas of the day go."""

from dataclasses import replace

from broker.contract.messages import EventMessage, Frames, Readings
from ingestor.batches import quarantine_rows as quarantine
from ingestor.batches.batch import Batch, Received
from ingestor.batches.records import MAX_KEPT_BYTES, Stored, salvage
from ingestor.batches.value_checks import Refused
from store.quota_tally import Tally
from store.quotas import ROW_BYTES, Quota


class QuarantineWriter:
    """Puts payloads into quarantine, and lets frames and events in, until the day's quota of their sender is used up.

    Beyond it nothing is kept and no receipt given, in place of a piece of each: an agent has the whole message in its
    outbox and sends it again, ever more rarely, until there is room; who has no outbox had it coming. Each delivery is
    charged once, however often its batch is made anew. `tally` counts what was cut.
    """

    def __init__(self, client_id: str, tally: Tally) -> None:
        self._client_id = client_id
        self._tally = tally

    def whole(
        self, batch: Batch, received: Received, reason: str, detail: str, sender: str, device: str | None = None,
        *, state: bool = False, meter_id: int | None = None,
    ) -> bool:  # fmt: skip
        """Quarantine a payload as it came; False where there is no room and `received` is cut."""
        size = len(received.delivery.payload)
        if not self._charge(received, sender, Quota.QUARANTINE, min(size, MAX_KEPT_BYTES) + ROW_BYTES):
            received.cut = True
            _withhold(batch, received, sender)
            return False
        row = quarantine.whole(self._client_id, received, reason, detail, device, state=state)
        batch.add_stored(replace(row, meter_id=meter_id))
        return True

    def part(
        self, batch: Batch, received: Received, message: Readings, reason: str, refused: Refused, device: str,
        *, meter_id: int | None = None,
    ) -> bool:  # fmt: skip
        """Quarantine some samples of a message whose others are stored; False without room: the device keeps it all."""
        row = quarantine.part(self._client_id, received, message, reason, refused, device)
        return self._add(batch, received, row, device, meter_id)

    def beside(self, batch: Batch, received: Received, reason: str, detail: str, device: str, *, meter_id: int) -> bool:
        """Quarantine the payload of a message of which more is stored; False without room: the device keeps it all."""
        row = quarantine.whole(self._client_id, received, reason, detail, device)
        return self._add(batch, received, row, device, meter_id)

    def row(self, batch: Batch, received: Received, row: Stored, device: str) -> bool:
        """Whether there is room for a row of a message that is stored beside; else the message gets no receipt."""
        if self._charge(received, device, Quota.QUARANTINE, len(row.data) + ROW_BYTES):
            return True
        _withhold(batch, received, device)
        return False

    def _add(self, batch: Batch, received: Received, row: Stored, device: str, meter_id: int | None) -> bool:
        if not self.row(batch, received, row, device):
            return False
        batch.add_stored(replace(row, meter_id=meter_id))
        return True

    def admits(self, received: Received, device: str, message: Readings | Frames | EventMessage) -> bool:
        """Whether a message may be taken: readings always, frames and events while there is room."""
        if isinstance(message, Frames):
            # each row has the hints of its message
            hints = sum(len(name) + len(text) for name, text in message.hints.items())
            size = sum(len(frame.data) + ROW_BYTES + hints for frame in message.frames)
            received.cut = not self._charge(received, device, Quota.FRAMES, size)
        elif isinstance(message, EventMessage):
            received.cut = not self._charge(received, device, Quota.EVENTS, 1)
        return not received.cut

    def _charge(self, received: Received, sender: str, quota: Quota, amount: int) -> bool:
        if quota not in received.charged:
            if not self._tally.take(sender, quota, amount, len(received.delivery.payload)):
                return False
            received.charged |= {quota}
        return True


def _withhold(batch: Batch, received: Received, sender: str) -> None:
    """Give no receipt for a message that is kept nowhere: its sender is the only one who has it."""
    if (found := salvage(received.delivery.payload)) is not None:
        batch.withheld.add((sender, *found))
