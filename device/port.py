"""One serial port for ever: opened, its meter found, listened to or polled, opened again when it vanishes."""

import asyncio
from datetime import datetime
from math import floor
from pathlib import Path
from typing import Any, Final

import structlog

from broker.backoff import Backoff
from broker.errors import FrameError
from device.change_over import ChangeOvers
from device.context import Context
from device.detection import SIGN_ON, Ask, Known, Listen, PassedWithout, Step, Window, steps
from device.line import Line, LineBusyError, LineGoneError
from device.meter_port import MeterPort
from device.other_heard import OtherHeard
from device.readout import read_out
from meters.iec62056_signon import SignOn
from meters.readers import AnyFramer
from meters.telegram import Frame, Wire

log = structlog.get_logger()

STATES: Final = ("missing", "busy", "detecting", "other_protocol", "listening", "polling")
READ_S: Final = 1.0
FLUSH_AFTER_S: Final = 2.0
"""Silence after which a frame that only silence ends is taken."""
POLL_FAILURES: Final = 3
TELLING: Final = frozenset({"crc_mismatch", "bcc_mismatch"})
"""Failures that noise hardly ever gives: a whole frame stood there."""
LONGEST_PERIOD_S: Final = 900.0


class Port:
    """The task of one port. A line that yields nothing for several of its periods is detected anew."""

    def __init__(self, path: str, context: Context) -> None:
        self.path = path
        self.state = "missing"
        self.protocol: str | None = None
        self._again = False
        self._told_missing = False
        self._told_busy: str | None = None
        self.meter = MeterPort(path, context)
        self._addresses = context.settings.bus.get(path, ("",))
        self._meter_at: dict[str, str] = {}
        self.other = OtherHeard(path, context)
        self._change_overs = ChangeOvers(path, context)
        self._context = context
        self._was_open = False
        self._skipped = 0
        self._set_state("missing")

    def look_again(self) -> None:
        """Detect the line and identify the meter anew; what worked last is tried first."""
        self._again = True

    @property
    def settled(self) -> bool:
        """Whether it is known what stands here: a meter that has named itself, one that can't be read, or no port."""
        if self.state in ("missing", "busy"):
            return True
        if self.state == "other_protocol":
            return not self._again
        return not self._again and self.state != "detecting" and bool(self.meter.key)

    async def run(self) -> None:
        """Serve the port until cancelled."""
        backoff = Backoff(first_s=0.5, cap_s=5.0, forgive_s=2.0)
        opens = self._context.metrics.port_opens
        while True:
            known = self._context.memory.get(self.path)
            try:
                line = await Line.open(self.path, known.settings if known and not known.poll else SIGN_ON)
            except LineBusyError as error:
                opens.labels(self.path, "busy").inc()
                self._busy(error)
                await asyncio.sleep(0.1 + backoff.next_s())
                continue
            except LineGoneError as error:
                opens.labels(self.path, "refused").inc()
                self._lost(str(error))
                await asyncio.sleep(0.1 + backoff.next_s())
                continue
            opens.labels(self.path, "opened").inc()
            backoff.succeeded()
            self._was_open = True
            self._told_busy = None
            log.info("port_opened", port=self.path)
            try:
                await self._serve(line)
            except LineGoneError as error:
                self._lost(str(error))
            finally:
                await line.close()
            await asyncio.sleep(0.1 + backoff.next_s())

    def _busy(self, error: LineBusyError) -> None:
        """Tell once that another program has the port, and again when others have it or after it was free."""
        self._set_state("busy")
        self._was_open = False
        who = ", ".join(error.held_by)
        if self._told_busy != who:
            self._told_busy = who
            held_by = who or "unknown: only root may see it"
            self._context.outgoing.event(
                "port_busy", "warning", meter=self.meter.key, port=self.path, held_by=held_by, error=str(error)
            )

    def _lost(self, why: str) -> None:
        self._set_state("missing")
        self._told_busy = None
        if self._was_open:
            self._was_open = False
            self._context.outgoing.event("port_lost", "warning", meter=self.meter.key, port=self.path, error=why)
        elif not self._told_missing:
            self._told_missing = True
            event = "port_not_opened" if Path(self.path).exists() else "port_missing"
            self._context.outgoing.event(event, "warning", port=self.path, error=why)

    def _set_state(self, state: str) -> None:
        self.state = state
        for name in STATES:
            self._context.metrics.port_state.labels(self.path, name).set(name == state)

    async def _serve(self, line: Line) -> None:
        while True:
            self._set_state("detecting")
            if self._again:
                self.meter.identify_anew()
                self._change_overs.forget()
            self._again = False
            known, window = await self._detect(line)
            self.other.found = None
            self._context.memory.put(self.path, known)
            self.protocol = str(known.protocol)
            log.info("port_detected", port=self.path, protocol=known.protocol, line=str(known.settings))
            if known.poll:
                self._set_state("polling")
                await self._poll(line)
            else:
                self._set_state("listening")
                await self._listen(line, window.framer if window else AnyFramer(bare=False, crcs=self._named_crcs()))
            if self._again:
                continue
            self._context.outgoing.event(
                "port_silent", "warning", meter=self.meter.key, port=self.path, protocol=str(known.protocol)
            )

    async def _detect(self, line: Line) -> tuple[Known, Window | None]:
        heard: dict[str, int] = {}
        for step in steps(self._context.settings.detection, self._context.memory.get(self.path)):
            if isinstance(step, PassedWithout):
                self._tell_unidentified(step, heard)
                heard = {}
                self.other.passed()
                self._set_state("other_protocol" if self.other.found else "detecting")
                await self._rest(line, step.pause_s)
                self._again = False
                continue
            found = await self._try(line, step, heard)
            if found is not None:
                return found
        raise AssertionError("the steps of detection never end")

    async def _try(self, line: Line, step: Step, heard: dict[str, int]) -> tuple[Known, Window | None] | None:
        if isinstance(step, Ask):
            known = Known(SIGN_ON, Wire.IEC62056_21, poll=True)
            self.meter.on_line(SIGN_ON)
            # whatever stood there before: a new meter may have another address or rate
            slow = self._change_overs.slow()
            asked = [
                await self._ask(line, address, SignOn(address, slow=slow), step.answer_s) for address in self._addresses
            ]
            return (known, None) if any(asked) else None
        if isinstance(step, Listen):
            window = await self._hear(line, step)
            heard[str(step.settings)] = window.heard_bytes
            frame = next((item for item in window.outcomes if isinstance(item, Frame)), None)
            other = window.other() if frame is None else None
            if other is not None:
                self.other.hear(other, step.settings)
                self._set_state("other_protocol")
                return None
            if frame is not None:
                self.meter.on_line(step.settings)
            found = window.outcomes if frame is not None else [self._telling(item) for item in window.outcomes]
            at = self._context.clock.at(line.arrived_s)
            read = [self._hand_on(item, at) for item in found if item is not None]
            if frame is not None and any(read):
                self._skipped = 0
                return Known(step.settings, frame.protocol), window
        return None

    async def _ask(self, line: Line, address: str, signon: SignOn, answer_s: float | None = None) -> bool:
        """Sign on at one address of the port, '' where one meter stands there alone; whether it was read."""
        result = await read_out(line, signon, answer_s=answer_s)
        if isinstance(result, Frame):
            self._change_overs.learn(signon)
            read = self.meter.take(result, self._context.clock.now())
            self._meter_at[address] = self.meter.key
            return read
        self.meter.fail(result, self._context.clock.now())
        if self.state == "polling":
            log.warning("readout_failed", port=self.path, address=address, reason=result.reason, detail=result.detail)
        return False

    def _telling(self, item: Frame | FrameError) -> FrameError | None:
        """A failure of a window without a good frame, if it is more than noise at a wrong line setting."""
        if not isinstance(item, FrameError):
            return None
        if item.reason in TELLING:
            return item
        self._context.metrics.frames.labels("unknown", item.reason).inc()
        return None

    async def _hear(self, line: Line, step: Listen) -> Window:
        line.configure(step.settings)
        window = Window(AnyFramer(bare=False, crcs=self._named_crcs()))
        monotonic = self._context.monotonic
        started_s = monotonic()
        while (rest_s := window.remaining_s(started_s, step.for_s, monotonic())) > 0:
            data = await line.read(min(rest_s, READ_S))
            self._context.metrics.received_bytes.labels(self.path).inc(len(data))
            if data and window.feed(data, monotonic()) is not None:
                return window
        window.close()
        return window

    def _named_crcs(self) -> tuple[str, ...]:
        """The variants of P1's CRC that the specs in force name."""
        specs = (self._context.specs.get(ref) for ref in self._context.config.spec_refs())
        return tuple({crc for spec in specs if spec is not None for crc in spec.decode.crc})

    def _hand_on(self, item: Frame | FrameError, at: datetime) -> bool:
        if isinstance(item, Frame):
            return self.meter.take(item, at)
        self.meter.fail(item, at)
        return False

    def _tell_unidentified(self, step: PassedWithout, heard: dict[str, int]) -> None:
        self._context.metrics.detection_passes.labels(self.path).inc()
        # the first passes tell what there is to tell; then once in a while
        if step.number & (step.number - 1) == 0:
            detail: dict[str, Any] = {f"heard_bytes {line}": count for line, count in heard.items()}
            if self.other.found is not None:
                detail["speaks"] = self.other.found.name
            self._context.outgoing.event("port_unidentified", "warning", port=self.path, passes=step.number, **detail)

    async def _rest(self, line: Line, pause_s: float) -> None:
        loop = asyncio.get_running_loop()
        end_s = loop.time() + pause_s
        while not self._again and (rest_s := end_s - loop.time()) > 0:
            await line.read(min(rest_s, READ_S))

    async def _listen(self, line: Line, framer: AnyFramer) -> None:
        monotonic, metrics = self._context.monotonic, self._context.metrics
        good_s = byte_s = monotonic()
        period_s = 0.0
        revision = -1
        silence_s = self._context.settings.detection.silence_s
        while not self._again and monotonic() - good_s < max(silence_s, 3 * period_s):
            data = await line.read(READ_S)
            if revision != self._context.revision:
                revision = self._context.revision
                framer.crcs.name(self._named_crcs())
            # held frames first, so that readings come in the order of their times; that may take a while, in which
            # telegrams come: each has the time at which its bytes came, not that at which somebody looked
            await self.meter.settle()
            now_s = line.arrived_s if data else monotonic()
            found = []
            if data:
                metrics.received_bytes.labels(self.path).inc(len(data))
                byte_s = now_s
                found = framer.feed(data)
            elif byte_s and now_s - byte_s > FLUSH_AFTER_S:
                found = framer.finish()
                byte_s = now_s
            for item in found:
                if self._hand_on(item, self._context.clock.at(line.arrived_s)):
                    period_s, good_s = min(LONGEST_PERIOD_S, now_s - good_s), now_s
            self._count_skipped(framer)

    def _count_skipped(self, framer: AnyFramer) -> None:
        new = framer.skipped - self._skipped
        if new > 0:
            self._context.metrics.skipped_bytes.labels(self.path).inc(new)
            self._skipped = framer.skipped

    async def _poll(self, line: Line) -> None:
        failures = 0
        while failures < POLL_FAILURES:
            await self._wait_for_turn(line)
            if self._again:
                return
            answered = False
            for address in self._addresses:
                answered |= await self._ask(line, address, self._sign_on(address))
                await self.meter.settle()
            failures = 0 if answered else failures + 1

    def _sign_on(self, address: str) -> SignOn:
        spec, slow = self.meter.spec_of(self._meter_at.get(address, "")), self._change_overs.slow()
        if spec is None:
            return SignOn(address, slow=slow)
        return SignOn(address or spec.link.address, spec.link.max_baud, slow)

    async def _wait_for_turn(self, line: Line) -> None:
        """Until the next whole multiple of the reading interval; a shorter interval is obeyed at once."""
        began_at = self._context.clock.now().timestamp()
        while not (self._again or self.meter.hurried):
            interval_s = self._context.config.parameters.reading_interval_s
            turn_at = (floor(began_at / interval_s) + 1) * interval_s
            rest_s = turn_at - self._context.clock.now().timestamp()
            if not 0 < rest_s <= interval_s:
                # due, or the clock was stepped back
                break
            await line.read(min(rest_s, READ_S))
            await self.meter.settle()
        self.meter.hurried = False
