"""Readings, frames and events into a batch, once their device is known."""

from datetime import datetime

from broker.contract.messages import Clock, EventMessage, Frames, Readings, Source
from broker.contract.plausible_values import ALWAYS, BoundsByCode
from broker.contract.topics import Kind
from ingestor.batches import quarantine_rows as quarantine
from ingestor.batches.batch import Batch, Received
from ingestor.batches.meter import Meter
from ingestor.batches.names import Names
from ingestor.batches.quarantine_writer import QuarantineWriter
from ingestor.batches.records import DeviceEvent, Stored, clean, delivery_id
from ingestor.batches.rows import READING, micros
from ingestor.batches.value_checks import CheckedValues, check_values
from ingestor.metrics import Metrics
from ingestor.settings import Judging
from store.codes import SOURCE_CODES


class Telemetry:
    """Enters messages of known devices; tells by False that a series is not in memory yet."""

    def __init__(self, settings: Judging, names: Names, quarantine_writer: QuarantineWriter, metrics: Metrics) -> None:
        self._metrics = metrics
        self._names = names
        self._quarantine = quarantine_writer
        self._bounds = BoundsByCode()
        self._earliest_us = micros(settings.earliest_at)
        self._future_us = round(settings.max_future_s * 1_000_000)

    def readings(
        self, batch: Batch, received: Received, device: str, meter: Meter, message: Readings, *, final: bool
    ) -> bool:
        """Enter samples. `final` says that a series which is still missing is beyond a limit."""
        if self._plainly(batch, received, device, meter, message):
            return True
        latest_us = received.received_us + self._future_us
        device_id = self._names.devices[device]
        earliest_us = self._kept_from_us(received)
        checked = check_values(message, meter, device_id, self._names, earliest_us, latest_us, self._earliest_us)
        if checked.missing and not final:
            return False
        self._take_values(batch, received, device, meter, message, checked)
        return True

    def frames(self, batch: Batch, received: Received, device: str, meter: Meter | None, message: Frames) -> None:
        """Enter raw frames; where some are of a time at which the meter was another's, the message is kept whole too.

        A retry of it enters none twice: a frame is known by its place in its message.
        """
        own = [
            number
            for number, frame in enumerate(message.frames)
            if self._is_own(received, device, meter, message, frame.at)
        ]
        kept = True
        if meter is not None and len(own) < len(message.frames):
            kept = self._foreign(batch, received, device, meter, message)
        known = {"meter": message.meter, "clock": message.clock}
        hints = dict(message.hints) | {name: str(value) for name, value in known.items() if value}
        meter_id = meter.id if meter and own else None
        for number in own:
            frame = message.frames[number]
            batch.add_stored(
                Stored(
                    received_us=received.received_us,
                    topic=received.delivery.topic,
                    kind="frame",
                    reason=str(message.reason),
                    data=frame.data,
                    delivery=delivery_id("frame", device, message.boot, message.seq, number),
                    detail=None if frame.error is None else clean(frame.error),
                    device=device,
                    meter_id=meter_id,
                    port=clean(message.port),
                    protocol=clean(message.protocol),
                    at=frame.at,
                    hints=hints,
                )
            )
        newest_us = self._newest_us(received, *(frame.at for frame in message.frames))
        device_id = self._names.devices[device]
        count = len(message.frames)
        batch.add_ledger(received, Kind.FRAMES, message, device_id, meter_id, count, newest_us, kept=kept)

    def event(self, batch: Batch, received: Received, device: str, meter: Meter | None, message: EventMessage) -> None:
        """Enter a diagnostic; its time is kept whatever it is, for a device without a clock has much to tell."""
        device_id, meter_id = self._names.devices[device], meter.id if meter else None
        detail = message.detail
        newest_us = self._newest_us(received, message.at)
        if meter is not None and not self._is_own(received, device, meter, message, message.at):
            kept = self._foreign(batch, received, device, meter, message)
            batch.add_ledger(received, Kind.EVENTS, message, device_id, None, 1, newest_us, kept=kept)
            return
        if message.previous is not None:
            batch.boot_ends[device_id, message.previous.boot] = (message.previous.seq, received.received_us)
            detail = detail | {"previous": message.previous.model_dump()}
        batch.events[device_id, message.boot, message.seq] = DeviceEvent(
            received_us=received.received_us,
            at=message.at,
            device_id=device_id,
            meter_id=meter_id,
            event=message.event,
            severity=message.severity,
            boot=message.boot,
            seq=message.seq,
            detail=detail,
        )
        batch.add_ledger(received, Kind.EVENTS, message, device_id, meter_id, 1, newest_us)

    def _plainly(self, batch: Batch, received: Received, device: str, meter: Meter, message: Readings) -> bool:
        """The way of nearly all messages: every code known, all plausible; else False and nothing is entered."""
        device_id = self._names.devices[device]
        if message.units or meter.owner_id not in (None, device_id):
            return False
        pack, series = READING.pack, meter.series
        source = SOURCE_CODES[message.source, message.clock]
        earliest_us = max(self._kept_from_us(received), meter.owned_from_us)
        latest_us = received.received_us + self._future_us
        bounds, (always_low, always_high) = self._bounds, ALWAYS
        fresh, repeats = bytearray(), bytearray()
        again = self._comes_again(received, device_id, message)
        meter_newest_us, newest_us, count = meter.newest_us, earliest_us, 0
        try:
            for sample in message.samples:
                at_us = micros(sample.at)
                if not earliest_us <= at_us <= latest_us:
                    return False
                rows = repeats if again or at_us == meter_newest_us else fresh
                meter_newest_us = max(at_us, meter_newest_us)
                newest_us = max(at_us, newest_us)
                values = sample.values
                count += len(values)
                for code, value in values.items():
                    if not always_low <= value <= always_high:
                        low, high = bounds[code]
                        if not low <= value <= high:
                            return False
                    rows += pack(4, 8, at_us, 8, value, 4, series[code], 2, source)
        except KeyError:
            return False
        meter.newest_us = meter_newest_us
        batch.add_rows(fresh, repeats, newest_us)
        if message.source is Source.PROFILE:
            batch.note_profile(received, meter, fresh + repeats)
        batch.add_ledger(received, Kind.READINGS, message, device_id, meter.id, count, newest_us)
        return True

    def _kept_from_us(self, received: Received) -> int:
        """Readings of before are refused: implausible, or older than any are kept."""
        return max(self._earliest_us, received.received_us - self._names.keep_us)

    def _take_values(
        self, batch: Batch, received: Received, device: str, meter: Meter, message: Readings, checked: CheckedValues
    ) -> None:
        self._metrics.bygone.inc(checked.bygone)
        device_id, kept = self._names.devices[device], True
        for reason, refused in checked.refused.items():
            of = meter.id if reason == quarantine.FOREIGN_METER else None
            if checked.rows or len(checked.refused) > 1:
                kept &= self._quarantine.part(batch, received, message, reason, refused, device, meter_id=of)
            elif not self._quarantine.whole(
                batch, received, reason, "; ".join(refused.details), device, device, meter_id=of
            ):
                # not in the ledger either: it comes again
                return
        fresh, repeats = bytearray(), bytearray()
        source = SOURCE_CODES[message.source, message.clock]
        again = self._comes_again(received, device_id, message)
        for at_us, series_id, value in checked.rows:
            rows = repeats if again or at_us == meter.newest_us else fresh
            rows += READING.pack(4, 8, at_us, 8, value, 4, series_id, 2, source)
        newest_us = max((at_us for at_us, _, _ in checked.rows), default=None)
        if newest_us is not None:
            meter.newest_us = max(meter.newest_us, newest_us)
            batch.add_rows(fresh, repeats, newest_us)
            if message.source is Source.PROFILE:
                batch.note_profile(received, meter, fresh + repeats)
        count = sum(len(sample.values) for sample in message.samples)
        foreign = quarantine.FOREIGN_METER in checked.refused
        if foreign:
            self._note_foreign(batch, device, message)
        # the ledger tells by which message a reading of a meter came: another's is none of those
        meter_id = None if foreign and not checked.rows else meter.id
        batch.add_ledger(received, Kind.READINGS, message, device_id, meter_id, count, newest_us, kept=kept)

    def _comes_again(self, received: Received, device_id: int, message: Readings) -> bool:
        """Whether the table may have these readings already."""
        return message.resent is not None or self._names.repeats(device_id, received.received_us)

    def _is_own(
        self, received: Received, device: str, meter: Meter | None, message: Frames | EventMessage, at: datetime
    ) -> bool:
        """Whether a device may say this of a meter: it has it now, or had it at the time that it tells of.

        A time that its clock can't vouch for is no time of the past. What is decoded of frames is judged by its own.
        """
        if meter is None:
            return True
        device_id = self._names.devices[device]
        told_us = self._newest_us(received, at)
        now_us = received.received_us
        if told_us is None:
            return meter.owned.is_of(device_id, now_us)
        untold = isinstance(message, EventMessage) or message.clock is Clock.UNSYNCED
        return meter.owned.is_of(device_id, told_us) or (untold and meter.owned.is_of(device_id, now_us))

    def _foreign(
        self, batch: Batch, received: Received, device: str, meter: Meter, message: Frames | EventMessage
    ) -> bool:
        self._note_foreign(batch, device, message)
        detail = f"meter: {message.meter} stood at another device"
        return self._quarantine.beside(batch, received, quarantine.FOREIGN_METER, detail, device, meter_id=meter.id)

    def _note_foreign(self, batch: Batch, device: str, message: Readings | Frames | EventMessage) -> None:
        batch.foreign.setdefault(self._names.devices[device], set()).add(message.meter or "")

    def _newest_us(self, received: Received, *times: datetime) -> int | None:
        latest_us = received.received_us + self._future_us
        plausible = (at_us for at in times if self._earliest_us <= (at_us := micros(at)) <= latest_us)
        return max(plausible, default=None)
