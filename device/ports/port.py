"""One serial port for ever: opened, its meter found, listened to or polled, opened again when it vanishes."""

import asyncio
from datetime import datetime
from math import floor
from pathlib import Path
from typing import Any, Final

import structlog

from broker.backoff import Backoff
from broker.errors import FrameError
from device.history.event_logs import EventLogs
from device.history.history import History
from device.ports.baud_changeover import ChangeOvers
from device.ports.clock_setting import ClockSettings
from device.ports.detection import (
    SIGN_ON,
    THOROUGH_ANSWER_S,
    WHOLE_FRAME,
    KnownLine,
    Listen,
    PassedWithout,
    Step,
    TryDlms,
    TrySignOn,
    Window,
    after_noise,
    at_rest,
    steps,
)
from device.ports.fieldbus import Fieldbus
from device.ports.line import Line, LineBusyError, LineGoneError
from device.ports.log_slices import LogSlices
from device.ports.memory import PortMemory
from device.ports.profile_slices import ProfileSlices
from device.ports.readout import read_out
from device.ports.turns import SLICES_BEFORE_LOG
from device.readings.context import Context
from device.readings.intake import Intake
from device.readings.other_protocols import OtherProtocolMonitor
from meters.telegram import Frame, Wire
from meters.wires.iec62056_signon import SignOn
from meters.wires.readers import AnyFramer

log = structlog.get_logger()

STATES: Final = ("missing", "busy", "detecting", "other_protocol", "listening", "polling")
READ_S: Final = 1.0
FLUSH_AFTER_S: Final = 2.0
"""Silence after which a frame that only silence ends is taken."""
POLL_FAILURES: Final = 3
LONGEST_PERIOD_S: Final = 900.0


class Port:
    """The task of one port. A line that yields nothing for several of its periods is detected anew."""

    def __init__(self, path: str, context: Context, memory: PortMemory, history: History, logs: EventLogs) -> None:
        self.path = path
        self.state = "missing"
        self.protocol: str | None = None
        self._again = False
        self._missing_reported = False
        self._busy_reported: str | None = None
        self.meter = Intake(path, context)
        self._addresses = context.settings.bus.get(path, ("",))
        self._meter_at: dict[str, str] = {}
        self.other = OtherProtocolMonitor(path, context)
        self._fieldbus = Fieldbus(path, context, self.meter)
        self._change_overs = ChangeOvers(path, context, memory)
        self.clocks = ClockSettings(context, self._fieldbus)
        self._slices = ProfileSlices(path, context, history, self.meter, self._change_overs, self._fieldbus)
        self._logs = LogSlices(
            path, context, logs, self.meter, self._change_overs, self._fieldbus, self._slices.named_by
        )
        self._context = context
        self._memory = memory
        self._was_open = False
        self._skipped = 0
        self._slices_read = 0
        self._set_state("missing")

    def detect_again(self) -> None:
        """Detect the line and identify the meter anew; what worked last is tried first."""
        self._again = True

    @property
    def polled_meters(self) -> tuple[str, ...]:
        """The meters that are asked here, which alone may tell of their memory."""
        return tuple(dict.fromkeys(key for key in (*self._meter_at.values(), *self._fieldbus.meters) if key))

    @property
    def settled(self) -> bool:
        """Whether it is known what is here: a meter that has named itself, one that can't be read, or no port."""
        if self.state in ("missing", "busy"):
            return True
        if self.state == "other_protocol":
            return not self._again
        named = bool(self.meter.key) or self.meter.missing_keys.any
        return not self._again and self.state != "detecting" and named

    async def run(self) -> None:
        """Serve the port until cancelled."""
        backoff = Backoff(first_s=0.5, cap_s=5.0, forgive_s=2.0)
        opens = self._context.metrics.port_opens
        while True:
            known = self._memory.get(self.path)
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
            self._busy_reported = None
            log.info("port_opened", port=self.path)
            try:
                await self._serve(line)
            except LineGoneError as error:
                self._lost(str(error))
            finally:
                await line.close()
            await asyncio.sleep(0.1 + backoff.next_s())

    def _busy(self, error: LineBusyError) -> None:
        """One event when another program has the port, and again when others have it or after it was free."""
        self._set_state("busy")
        self._was_open = False
        who = ", ".join(error.held_by)
        if self._busy_reported != who:
            self._busy_reported = who
            held_by = who or "unknown: only root may see it"
            self._context.outgoing.event(
                "port_busy", "warning", meter=self.meter.key, port=self.path, held_by=held_by, error=str(error)
            )

    def _lost(self, why: str) -> None:
        self._set_state("missing")
        self._busy_reported = None
        if self._was_open:
            self._was_open = False
            self._context.outgoing.event("port_lost", "warning", meter=self.meter.key, port=self.path, error=why)
        elif not self._missing_reported:
            self._missing_reported = True
            event = "port_not_opened" if Path(self.path).exists() else "port_missing"
            self._context.outgoing.event(event, "warning", port=self.path, error=why)

    def _set_state(self, state: str) -> None:
        self.state = state
        for name in STATES:
            self._context.metrics.port_state.labels(self.path, name).set(name == state)

    async def _serve(self, line: Line) -> None:
        heard: AnyFramer | None = None
        while True:
            self._set_state("detecting")
            if self._again:
                heard = None
                self._fieldbus.leave()
                self.meter.meters.forget()
                self.meter.missing_keys.forget()
                self._change_overs.forget()
            self._again = False
            known, window = await (self._find_stations(line) if self._fieldbus else self._detect(line, heard))
            heard = None
            self.other.found = None
            self._memory.put(self.path, known)
            self.protocol = str(known.protocol)
            log.info("port_detected", port=self.path, protocol=known.protocol, line=str(known.settings))
            if known.poll:
                self._set_state("polling")
                await self._poll(line)
            else:
                self._set_state("listening")
                heard = window.framer if window else self._framer()
                await self._listen(line, heard)
            if self._again:
                continue
            self._fieldbus.leave()
            self._context.outgoing.event(
                "port_silent", "warning", meter=self.meter.key, port=self.path, protocol=str(known.protocol)
            )

    async def _find_stations(self, line: Line) -> tuple[KnownLine, Window | None]:
        """The meters of a fieldbus: nobody else is looked for at such a port, and pauses between tries grow."""
        settings = self._context.settings.detection
        number, pause_s = 1, settings.first_pause_s
        while True:
            self._again = False
            known = await self._fieldbus.find(line, self._memory.get(self.path))
            if known is not None:
                return known, None
            self._report_unidentified(PassedWithout(number, pause_s), {})
            await self._rest(line, pause_s, None)
            number, pause_s = number + 1, min(settings.longest_pause_s, max(0.5, pause_s * 2))

    async def _detect(self, line: Line, heard: AnyFramer | None) -> tuple[KnownLine, Window | None]:
        before = self._memory.get(self.path)
        while True:
            found = await self._while_quiet(line, before, heard) or await self._passes(line, before)
            if found is not None:
                return found
            heard = None

    async def _while_quiet(
        self, line: Line, before: KnownLine | None, heard: AnyFramer | None
    ) -> tuple[KnownLine, Window | None] | None:
        """Stay on the line that was known while nothing at all is heard: by other settings nothing could be, either.

        Another meter at another rate is heard as noise; one that must be asked is asked for once in a while. `heard`
        may hold the beginning of a telegram, in whose midst the line was given up.
        """
        settings, received, quiet_s = self._context.settings.detection, dict[str, int](), 0.0
        while before is not None and not before.poll and not self._again and not any(received.values()):
            found = await self._try(line, Listen(before.settings, settings.thorough_s), received, heard)
            heard = None
            quiet_s += settings.thorough_s
            if found is None and quiet_s >= settings.longest_pause_s and not any(received.values()):
                quiet_s = 0.0
                found = await self._try(line, TrySignOn(THOROUGH_ANSWER_S), received)
            if found is not None:
                return found
        return None

    async def _passes(self, line: Line, before: KnownLine | None) -> tuple[KnownLine, Window | None] | None:
        """Pass after pass; None once one heard nothing at all where something was known."""
        received: dict[str, int] = {}
        settings = self._context.settings.detection
        for step in steps(settings, before):
            if isinstance(step, PassedWithout):
                self._report_unidentified(step, received)
                self.other.passed()
                self._set_state("other_protocol" if self.other.found else "detecting")
                found = await self._rest(line, step.pause_s, before)
                self._again = False
                if found is None and before is not None and not before.poll and not any(received.values()):
                    return None
                received = {}
            else:
                found = await self._try(line, step, received)
                if found is None and isinstance(step, Listen):
                    again = after_noise(settings, before, step, received[str(step.settings)])
                    found = await self._try(line, again, received) if again else None
            if found is not None:
                return found
        raise AssertionError("the steps of detection never end")

    async def _try(
        self, line: Line, step: Step, received: dict[str, int], heard: AnyFramer | None = None
    ) -> tuple[KnownLine, Window | None] | None:
        if isinstance(step, TrySignOn):
            known = KnownLine(SIGN_ON, Wire.IEC62056_21, poll=True)
            self.meter.on_line(SIGN_ON)
            # whatever was there before: a new meter may have another address or rate
            slow = self._change_overs.slow()
            answered = [
                await self._read_address(line, address, SignOn(address, slow=slow), step.answer_s)
                for address in self._addresses
            ]
            return (known, None) if any(answered) else None
        if isinstance(step, TryDlms):
            found_here = await self._fieldbus.discover(line)
            return (found_here, None) if found_here is not None else None
        if isinstance(step, Listen):
            window = await self._listen_for(line, step, heard)
            received[str(step.settings)] = window.received_bytes
            frame = next((item for item in window.outcomes if isinstance(item, Frame)), None)
            other = window.other() if frame is None else None
            if other is not None:
                self.other.observe(other, step.settings)
                self._set_state("other_protocol")
                return None
            if frame is not None:
                self.meter.on_line(step.settings)
            found = window.outcomes if frame is not None else [self._unless_noise(item) for item in window.outcomes]
            at = self._context.clock.at(line.arrived_s)
            read = [self._deliver(item, at) for item in found if item is not None]
            if frame is not None and any(read):
                return KnownLine(step.settings, frame.protocol), window
        return None

    async def _read_address(self, line: Line, address: str, signon: SignOn, answer_s: float | None = None) -> bool:
        """Sign on at one address of the port, '' where one meter is there alone; whether it was read."""
        result = await read_out(line, signon, answer_s=answer_s)
        if isinstance(result, Frame):
            self._change_overs.learn(signon)
            read = self.meter.take(result, self._context.clock.now())
            self._meter_at[address] = self.meter.key
            if read:
                self._slices.live(address, self.meter.key, result)
                self._logs.live(self.meter.key)
            return read
        self.meter.fail(result, self._context.clock.now())
        if self.state == "polling":
            log.warning("readout_failed", port=self.path, address=address, reason=result.reason, detail=result.detail)
        return False

    def _unless_noise(self, item: Frame | FrameError) -> FrameError | None:
        """A failure of a window without a good frame, if it is more than noise at a wrong line setting."""
        if not isinstance(item, FrameError):
            return None
        if item.reason in WHOLE_FRAME:
            return item
        self._context.metrics.frames.labels("unknown", item.reason).inc()
        return None

    def _framer(self) -> AnyFramer:
        self._skipped = 0
        return AnyFramer(bare=False, crcs=self._context.effective.crc_variants())

    async def _listen_for(self, line: Line, step: Listen, heard: AnyFramer | None) -> Window:
        if heard is None or step.settings != line.settings:
            line.configure(step.settings)
            heard = self._framer()
        window = Window(heard)
        monotonic = self._context.monotonic
        started_s = monotonic()
        while (rest_s := window.remaining_s(started_s, step.for_s, monotonic())) > 0:
            if window.fruitless if not step.patient else self._again:
                break
            data = await line.read(min(rest_s, READ_S))
            self._context.metrics.received_bytes.labels(self.path).inc(len(data))
            if data and window.feed(data, monotonic()) is not None:
                return window
        window.close()
        return window

    def _deliver(self, item: Frame | FrameError, at: datetime) -> bool:
        if isinstance(item, Frame):
            return self.meter.take(item, at)
        self.meter.fail(item, at)
        return False

    def _report_unidentified(self, step: PassedWithout, received: dict[str, int]) -> None:
        self._context.metrics.detection_passes.labels(self.path).inc()
        # the first passes say what there is to say; then once in a while
        if step.number & (step.number - 1) == 0:
            detail: dict[str, Any] = {f"heard_bytes {line}": count for line, count in received.items()}
            if self.other.found is not None:
                detail["speaks"] = self.other.found.name
            self._context.outgoing.event("port_unidentified", "warning", port=self.path, passes=step.number, **detail)

    async def _rest(
        self, line: Line, pause_s: float, before: KnownLine | None
    ) -> tuple[KnownLine, Window | None] | None:
        listening = at_rest(before, pause_s)
        if listening is not None:
            return await self._try(line, listening, {})
        loop = asyncio.get_running_loop()
        end_s = loop.time() + pause_s
        while not self._again and (rest_s := end_s - loop.time()) > 0:
            await line.read(min(rest_s, READ_S))
        return None

    async def _listen(self, line: Line, framer: AnyFramer) -> None:
        monotonic, metrics = self._context.monotonic, self._context.metrics
        good_s = byte_s = now_s = monotonic()
        period_s = 0.0
        revision = -1
        silence_s = self._context.settings.detection.silence_s
        # by the time of what was read last: more may wait in the line
        while not self._again and now_s - good_s < max(silence_s, 3 * period_s):
            data = await line.read(READ_S)
            if revision != self._context.effective.revision:
                revision = self._context.effective.revision
                framer.crcs.name(self._context.effective.crc_variants())
            # waiting frames first, so that readings come in the order of their times; that may take a while, in which
            # telegrams come: each has the time at which its bytes came, not that of this read
            await self.meter.release()
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
                if self._deliver(item, self._context.clock.at(line.arrived_s)):
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
            await self.clocks.do(line)
            if self._fieldbus:
                async for address, read in self._fieldbus.read_all(line):
                    answered |= read
                    if read:
                        self._meter_at[address] = self.meter.key
                        self._slices.live(address, self.meter.key)
                        self._logs.live(self.meter.key)
                    await self.meter.release()
            for address in () if self._fieldbus else self._addresses:
                answered |= await self._read_address(line, address, self._sign_on(address))
                await self.meter.release()
            failures = 0 if answered else failures + 1

    def _sign_on(self, address: str) -> SignOn:
        slow = self._change_overs.slow()
        spec = self._context.effective.spec_of(self._meter_at.get(address, ""))
        if spec is None:
            return SignOn(address, slow=slow)
        return SignOn(address or spec.link.address, spec.link.max_baud, slow)

    async def _read_memory(self, line: Line) -> bool:
        """A slice of history or an event log, where one is due: logs have their turn, at once where somebody waits."""
        if self._logs.is_awaited(self._meter_at) or self._slices_read >= SLICES_BEFORE_LOG:
            self._slices_read = 0
            if await self._logs.read_one(line, self._meter_at):
                return True
        if await self._slices.read_one(line, self._meter_at):
            self._slices_read += 1
            return True
        return await self._logs.read_one(line, self._meter_at)

    async def _wait_for_turn(self, line: Line) -> None:
        """Until the next whole multiple of the reading interval; a shorter interval is obeyed at once.

        Meanwhile history is read: a slice after each live read, and more while there is time for one.
        """
        sliced = False
        began_at = self._context.clock.now().timestamp()
        while not (self._again or self.meter.urgent or self.clocks.wanted):
            interval_s = max(self._context.config.parameters.reading_interval_s, self._fieldbus.least_s)
            turn_at = (floor(began_at / interval_s) + 1) * interval_s
            rest_s = turn_at - self._context.clock.now().timestamp()
            if not 0 < rest_s <= interval_s:
                # due, or the clock was stepped back
                break
            await self.meter.release()
            if not sliced or rest_s > self._slices.took_s:
                sliced = await self._read_memory(line)
                if sliced:
                    continue
            await line.read(min(rest_s, READ_S))
            await self.meter.release()
        self.meter.urgent = False
