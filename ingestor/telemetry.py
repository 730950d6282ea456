"""Readings, frames and events into a batch, once their device is known."""

from datetime import datetime

from broker.messages import EventMessage, Frames, Readings
from broker.plausible import ALWAYS, BoundsByCode
from broker.topics import Kind
from ingestor import quarantine
from ingestor.batch import Batch, Received
from ingestor.names import Meter, Names
from ingestor.records import DeviceEvent, Stored, clean, delivery_id
from ingestor.rows import READING, micros
from ingestor.settings import Judging
from ingestor.sift import Sifted, sift
from store.codes import SOURCE_CODES


class Telemetry:
    """Enters messages of known devices; tells by False that a series is not in memory yet."""

    def __init__(self, settings: Judging, names: Names) -> None:
        self._client_id = settings.client_id
        self._names = names
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
        sifted = sift(message, meter, self._names, self._earliest_us, latest_us)
        if sifted.missing and not final:
            return False
        self._sifted(batch, received, device, meter, message, sifted)
        return True

    def frames(self, batch: Batch, received: Received, device: str, meter: Meter | None, message: Frames) -> None:
        """Enter raw frames."""
        known = {"meter": message.meter, "clock": message.clock}
        hints = dict(message.hints) | {name: str(value) for name, value in known.items() if value}
        meter_id = meter.id if meter else None
        for number, frame in enumerate(message.frames):
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
        batch.add_ledger(received, Kind.FRAMES, message, device_id, meter_id, len(message.frames), newest_us)

    def event(self, batch: Batch, received: Received, device: str, meter: Meter | None, message: EventMessage) -> None:
        """Enter a diagnostic; its time is kept whatever it is, for a device without a clock has much to tell."""
        device_id, meter_id = self._names.devices[device], meter.id if meter else None
        detail = message.detail
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
        newest_us = self._newest_us(received, message.at)
        batch.add_ledger(received, Kind.EVENTS, message, device_id, meter_id, 1, newest_us)

    def _plainly(self, batch: Batch, received: Received, device: str, meter: Meter, message: Readings) -> bool:
        """The way of nearly all messages: every code known, all plausible; else False and nothing is entered."""
        if message.units:
            return False
        pack, series = READING.pack, meter.series
        source = SOURCE_CODES[message.source, message.clock]
        earliest_us, latest_us = self._earliest_us, received.received_us + self._future_us
        bounds, (always_low, always_high) = self._bounds, ALWAYS
        fresh, repeats = bytearray(), bytearray()
        meter_newest_us, newest_us, count = meter.newest_us, earliest_us, 0
        try:
            for sample in message.samples:
                at_us = micros(sample.at)
                if not earliest_us <= at_us <= latest_us:
                    return False
                rows = repeats if at_us == meter_newest_us else fresh
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
        batch.add_ledger(received, Kind.READINGS, message, self._names.devices[device], meter.id, count, newest_us)
        return True

    def _sifted(
        self, batch: Batch, received: Received, device: str, meter: Meter, message: Readings, sifted: Sifted
    ) -> None:
        fresh, repeats = bytearray(), bytearray()
        source = SOURCE_CODES[message.source, message.clock]
        for at_us, series_id, value in sifted.rows:
            rows = repeats if at_us == meter.newest_us else fresh
            rows += READING.pack(4, 8, at_us, 8, value, 4, series_id, 2, source)
        newest_us = max((at_us for at_us, _, _ in sifted.rows), default=None)
        if newest_us is not None:
            meter.newest_us = max(meter.newest_us, newest_us)
            batch.add_rows(fresh, repeats, newest_us)
        count = sum(len(sample.values) for sample in message.samples)
        batch.add_ledger(received, Kind.READINGS, message, self._names.devices[device], meter.id, count, newest_us)
        for reason, refused in sifted.refused.items():
            if sifted.rows or len(sifted.refused) > 1:
                batch.add_stored(quarantine.part(self._client_id, received, message, reason, refused, device))
            else:
                detail = "; ".join(refused.details)
                batch.add_stored(quarantine.whole(self._client_id, received, reason, detail, device))

    def _newest_us(self, received: Received, *times: datetime) -> int | None:
        latest_us = received.received_us + self._future_us
        plausible = (at_us for at in times if self._earliest_us <= (at_us := micros(at)) <= latest_us)
        return max(plausible, default=None)
