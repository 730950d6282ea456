"""Messages with boot and sequence number, on their way into the outbox: readings, frames and events."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal

import structlog
from pydantic import ValidationError

from broker.contract.messages import (
    MAX_PAYLOAD_BYTES,
    BootEnd,
    Clock,
    EventMessage,
    FrameReason,
    Frames,
    Message,
    RawFrame,
    Readings,
    Sample,
    Source,
)
from broker.contract.topics import Kind
from device.clock import DeviceClock
from device.outbox.gathered import FRAME_MAX_BYTES, kept_by
from device.outbox.outbox import Outbox
from device.outbox.record import Record

log = structlog.get_logger()

Severity = Literal["info", "warning", "error"]
FRAMES_MAX_BYTES: Final = MAX_PAYLOAD_BYTES // 2
"""Raw octets in one message: base64 makes four of three."""
DETAIL_MAX: Final = 1000
GIVEN_MAX: Final = 1024
"""Messages of which it is remembered when they were put into the outbox."""


class Outgoing:
    """Gives each message of this boot its number, in one sequence over all kinds, and puts it into the outbox.

    `on_append` is given each record that was appended, so that it can be sent at once.
    """

    def __init__(
        self,
        outbox: Outbox,
        clock: DeviceClock,
        boot: str,
        on_append: Callable[[Record], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.boot = boot
        self.seq = 0
        self._outbox = outbox
        self._clock = clock
        self._on_append = on_append
        self._monotonic = monotonic
        self._given: deque[tuple[int, float]] = deque(maxlen=GIVEN_MAX)

    def given_s(self, seq: int) -> float | None:
        """When a message of this boot was put into the outbox, by the monotonic clock; None for one of long ago."""
        place = seq - self._given[0][0] if self._given else -1
        return self._given[place][1] if 0 <= place < len(self._given) else None

    def readings(
        self, meter: str, spec: str, clock: Clock, source: Source, samples: Iterable[Sample], units: dict[str, str]
    ) -> None:
        """Send samples of one meter; too many for one message are parted in halves."""
        taken = tuple(samples)
        message = Readings(
            boot=self.boot,
            seq=self.seq + 1,
            meter=meter,
            spec=spec,
            clock=clock,
            source=source,
            samples=taken,
            units=units or None,
        )
        payload = message.payload()
        if len(payload) > MAX_PAYLOAD_BYTES and len(taken) > 1:
            half = len(taken) // 2
            self.readings(meter, spec, clock, source, taken[:half], units)
            self.readings(meter, spec, clock, source, taken[half:], units)
            return
        self._append(Kind.READINGS, payload, meter)

    def frames(
        self,
        reason: FrameReason,
        port: str,
        protocol: str,
        frames: Iterable[tuple[datetime, bytes, str]],
        *,
        meter: str = "",
        clock: Clock,
        hints: Mapping[str, str] | None = None,
    ) -> None:
        """Send raw frames, each with its time of receipt by `clock` and its error or ''; long ones are parted."""
        batch: list[RawFrame] = []
        size = 0
        texts = {name[:256]: text[:4096] for name, text in (hints or {}).items()}

        def send() -> None:
            self._number(
                Kind.FRAMES,
                meter,
                Frames(
                    boot=self.boot,
                    seq=self.seq + 1,
                    reason=reason,
                    port=port[:256],
                    protocol=protocol[:256],
                    meter=meter or None,
                    clock=kept_by(clock),
                    hints=texts,
                    frames=tuple(batch),
                ),
            )

        for at, data, error in frames:
            for start in range(0, len(data) or 1, FRAME_MAX_BYTES):
                part = data[start : start + FRAME_MAX_BYTES]
                if batch and (size + len(part) > FRAMES_MAX_BYTES or len(batch) >= 512):
                    send()
                    batch, size = [], 0
                batch.append(RawFrame(at=at, data=part, error=error[:256] or None))
                size += len(part)
        if batch:
            send()

    def began(self, previous: BootEnd | None, waiting: int, unconfirmed: int) -> None:
        """Say that a boot begins, and how far the one before had got: its first message."""
        detail = {"waiting": waiting, "unconfirmed": unconfirmed}
        log.info("boot_began", previous=previous.model_dump() if previous else None, **detail)
        message = EventMessage(
            boot=self.boot,
            seq=self.seq + 1,
            at=self._clock.now(),
            event="boot_began",
            detail=detail,
            previous=previous,
        )
        self._number(Kind.EVENTS, "", message)

    def event(self, event: str, severity: Severity = "info", *, meter: str = "", **detail: Any) -> None:
        """Send a diagnostic of now; it is logged too."""
        self.event_at(self._clock.now(), event, severity, meter=meter, **detail)

    def event_at(
        self, at: datetime, event: str, severity: Severity = "info", *, meter: str = "", **detail: Any
    ) -> None:
        """Send what happened at a time (aware)."""
        log.log(_LEVELS[severity], event, meter=meter or None, **detail)
        facts = {name: _plain(value) for name, value in detail.items()}
        try:
            message = EventMessage(
                boot=self.boot,
                seq=self.seq + 1,
                at=at,
                event=event,
                severity=severity,
                meter=meter or None,
                detail=facts,
            )
        except ValidationError as error:
            log.warning("event_not_sent", told=event, error=str(error))
            return
        self._number(Kind.EVENTS, "", message)

    def _number(self, kind: Kind, meter: str, message: Message) -> None:
        self._append(kind, message.payload(), meter)

    def _append(self, kind: Kind, payload: bytes, meter: str) -> None:
        # the number counts only once the message is whole: one that can't be built leaves no gap
        self.seq += 1
        self._given.append((self.seq, self._monotonic()))
        self._on_append(self._outbox.append(kind, payload, meter))


_LEVELS: Final = {"info": 20, "warning": 30, "error": 40}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in list(value)[:100]]
    return str(value)[:DETAIL_MAX]
