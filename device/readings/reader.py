"""Telegrams of one port into readings: decoded by the spec, stamped, sampled, filtered, gathered."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from broker.contract.messages import FrameReason, Sample, Source
from broker.errors import FrameError
from device.config.fallback import EXCLUDE, INCLUDE, spec_field
from device.outbox.gathered import FramesOf, ReadingsOf
from device.readings.context import Context
from device.readings.decode_counts import DecodeCounts
from device.readings.sampler import IntervalSampler, RepeatFilter
from meters.decoding.engine import Decoded, MeterSample, decode
from meters.decoding.obis_filter import ObisFilter
from meters.decoding.stamping import Received, Stamp, clock_state, stamped, zone_off_h
from meters.specs.spec import Spec
from meters.telegram import Telegram

REFUSED_EVENTS_MAX = 100


class Reader:
    """Makes readings of one port's telegrams by the parameters in force; what is refused is an event once."""

    def __init__(self, port: str, context: Context) -> None:
        self._port = port
        self._context = context
        self._interval = IntervalSampler()
        self._repeats = RepeatFilter()
        self._clock_off: dict[str, int | None] = {}
        """Meters whose clock is off, with the whole hours that a wrong zone would explain."""
        self._failing: set[str] = set()
        self._refused_reported: set[tuple[str, str, str]] = set()
        self._counts = DecodeCounts(context.monotonic)
        self._revision = -1
        self._zone = ""
        self._filter = ObisFilter(("*",), ())
        self.urgent = False
        """Take the next telegram as if its interval had just begun."""

    def read(self, key: str, spec: Spec, telegram: Telegram, received: Received, *, waited: bool = False) -> bool:
        """Take one telegram; whether it has a value that is wanted. Raises FrameError where the spec can't read it."""
        self._take_parameters()
        context = self._context
        zone = context.config.parameters.time_zone
        try:
            decoded = decode(spec, telegram, zone=zone, near=received.at)
        except FrameError as error:
            context.health.failed(key, str(error), (spec_field(key),))
            context.metrics.decode_failures.labels(error.reason).inc()
            self._counts.add(key, spec.ref, decoded=False)
            if key not in self._failing:
                self._failing.add(key)
                context.outgoing.event(
                    "decode_failing", "error", meter=key, spec=spec.ref, reason=error.reason, detail=error.detail
                )
            raise
        if key in self._failing:
            self._failing.discard(key)
            context.outgoing.event("decode_recovered", meter=key, spec=spec.ref)
        context.effective.use_spec(key, spec.ref)
        self._counts.add(key, spec.ref, decoded=True, refused=bool(decoded.refused))
        codes = [code for sample in decoded.samples for code in sample.values]
        wanted = any(self._filter.wants(code) for code in codes)
        if wanted:
            context.health.read(key)
        else:
            context.health.failed(key, "obis_include and obis_exclude leave nothing of it", self._filtered_by(codes))
        self._report_refused(key, spec, decoded)
        if not waited:
            self._report_clock(key, spec, decoded, received)
        # a telegram of which nothing is left takes no turn: it may be read again by another filter
        for meter, sample, at in self._taken(key, spec, decoded, received) if wanted else ():
            self._gather(meter, spec, sample, at, received, waited=waited)
        # nobody who asked for a reading has got one of a telegram of which the filter leaves nothing
        self.urgent = self.urgent and (waited or not wanted)
        if context.config.parameters.raw_frames:
            self._keep_frame(key, telegram, received)
        return wanted

    def _keep_frame(self, key: str, telegram: Telegram, received: Received) -> None:
        context = self._context
        if not self._interval.take(f"raw {key}", received.at, context.config.parameters.reading_interval_s):
            context.metrics.frames_left_out.labels(self._port).inc()
            return
        of = FramesOf(FrameReason.REQUESTED, self._port, str(telegram.protocol), key, received.clock)
        context.bundles.add_frame(of, received.at, telegram.frame, context.monotonic())

    def _filtered_by(self, codes: list[str]) -> tuple[str, ...]:
        """Which of the two lists leaves nothing of a telegram by itself; both where only both do."""
        parameters = self._context.config.parameters
        alone = {
            INCLUDE: ObisFilter(parameters.obis_include, ()),
            EXCLUDE: ObisFilter(("*",), parameters.obis_exclude),
        }
        guilty = tuple(field for field, one in alone.items() if not any(one.wants(code) for code in codes))
        return guilty[:1] or (INCLUDE, EXCLUDE)

    def doubts_clock(self, key: str) -> bool:
        """Whether a meter's clock was found to be off, and not right again since."""
        return key in self._clock_off

    def upkeep(self) -> None:
        """Report how many telegrams each spec decoded, where it is due; call it about once a second."""
        for one in self._counts.take_due():
            counts = {name: getattr(one, name) for name in ("telegrams", "undecodable", "refused", "seconds")}
            self._context.outgoing.event("decode_counts", meter=one.meter, spec=one.spec, **counts)

    def _take_parameters(self) -> None:
        if self._revision != self._context.effective.revision:
            self._revision = self._context.effective.revision
            parameters = self._context.config.parameters
            self._filter = ObisFilter(parameters.obis_include, parameters.obis_exclude)
            if parameters.time_zone != self._zone:
                # another zone is another question, and its answer is reported anew
                self._zone = parameters.time_zone
                self._clock_off.clear()

    def _taken(
        self, key: str, spec: Spec, decoded: Decoded, received: Received
    ) -> Iterator[tuple[str, MeterSample, Stamp]]:
        interval_s = self._context.config.parameters.reading_interval_s
        due: dict[tuple[str, datetime], bool] = {}
        for meter, sample, at in stamped(key, spec, decoded, received):
            new = not at.own or self._repeats.is_new(meter, at.at, sample.values)
            # what has a stamp of its own comes rarely; only a sub-meter's stream is thinned like a meter's
            timed = at.own and not sample.sub_meter
            # one telegram may hold several samples of a meter at one time: they share one turn
            if new and not timed and (meter, at.at) not in due:
                due[meter, at.at] = self._interval.take(meter, at.at, interval_s) or self.urgent
            if new and (timed or due[meter, at.at]):
                yield meter, sample, at
            else:
                self._context.metrics.samples_skipped.inc()

    def _gather(
        self, meter: str, spec: Spec, sample: MeterSample, at: Stamp, received: Received, *, waited: bool
    ) -> None:
        values = {code: float(value) for code, value in self._filter.select(sample.values).items()}
        if not values:
            return
        context = self._context
        source = Source.LIVE
        if sample.profile:
            source = Source.PROFILE
        elif waited and (context.clock.now() - received.at).total_seconds() >= context.settings.backfill_after_s:
            source = Source.BACKFILL
        context.metrics.samples.labels(source).inc()
        of = ReadingsOf(meter, spec.ref, at.clock, source)
        taken = Sample(at=at.at, values=values)
        context.health.gathered(meter, taken)
        context.bundles.add_sample(of, taken, sample.units, context.monotonic())

    def _report_clock(self, key: str, spec: Spec, decoded: Decoded, received: Received) -> None:
        clock = clock_state(spec, decoded, received)
        if clock.off_s is None:
            return
        hours = zone_off_h(spec, decoded, received, self._zone)
        if clock.trusted and hours is None:
            self._clock_off.pop(key, None)
            return
        if key in self._clock_off and self._clock_off[key] == hours:
            return
        self._clock_off[key] = hours
        facts: dict[str, Any] = {"off_s": round(clock.off_s, 1), "device_clock": str(received.clock)}
        if hours is None:
            self._context.outgoing.event("meter_clock_off", "warning", meter=key, allowed_s=spec.time.skew_s, **facts)
        else:
            zone = self._zone or spec.time.zone
            side, how = ("ahead of", "east") if hours > 0 else ("behind", "west")
            why = f"the meter's clock is {abs(hours)} h {side} {zone}"
            fix = f"set the parameter time_zone to the zone where the meter hangs, {abs(hours)} h {how} of that"
            self._context.outgoing.event(
                "meter_zone_suspected", "warning", meter=key, spec=spec.ref, off_h=hours, zone=zone,
                parameter="time_zone", reason=why, fix=fix, **facts,
            )  # fmt: skip

    def _report_refused(self, key: str, spec: Spec, decoded: Decoded) -> None:
        for refusal in decoded.refused:
            self._context.metrics.values_refused.labels(str(spec.match.protocol)).inc()
            mark = (key, spec.ref, refusal.address)
            if mark not in self._refused_reported and len(self._refused_reported) < REFUSED_EVENTS_MAX:
                self._refused_reported.add(mark)
                self._context.outgoing.event(
                    "value_refused", "warning", meter=key, spec=spec.ref, address=refusal.address, reason=refusal.reason
                )
