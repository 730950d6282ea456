"""One port's bytes into the lines of `wattline decode --json`, with their explanations where they are asked for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

from broker.contract.plausible_values import bounds_of
from broker.errors import FrameError
from broker.wording import counted
from meters.decoding.engine import Decoded, MeterSample
from meters.decoding.engine import decode as readings_of
from meters.explain.explanation import explain_failure, explain_frame, explain_salvaged, salvage
from meters.explain.hints import transfer_hints
from meters.explain.types import Explained, json_number
from meters.specs.identify import Identifier, Identity
from meters.specs.match import best
from meters.specs.spec import Spec
from meters.telegram import Frame, Framer, Wire
from meters.wires.capture_text import unwrap
from meters.wires.dlms.scanner import link_of
from meters.wires.dlms.wrapper import WrapperFramer, is_wrapped
from meters.wires.frame_counters import FrameCounters
from meters.wires.iec62056 import Iec62056Framer
from meters.wires.mbus.link import begins_reply
from meters.wires.meter_key import MeterKey
from meters.wires.other_protocols import recognise
from meters.wires.p1_crc import spelled
from meters.wires.readers import AnyFramer, crcs_of, make_framer, parse

CHUNK_BYTES: Final = 64 * 1024
Protocol = Literal["auto"] | Wire
Explaining = Literal["nothing", "failures", "all"]


@dataclass
class Summary:
    """What a run saw, over all of its files."""

    telegrams: int = 0
    decoded: int = 0
    undecoded: int = 0
    bytes_skipped: int = 0

    def count(self, line: dict[str, Any]) -> None:
        """Count one telegram's line."""
        self.telegrams += 1
        self.decoded += line["error"] is None
        self.undecoded += line["error"] is not None


@dataclass(frozen=True, slots=True)
class Found:
    """One telegram, good or bad: its line, its readings where it has any, its explanation where one was asked for."""

    line: dict[str, Any]
    decoded: Decoded | None = None
    explained: Explained | None = None


@dataclass
class Decoding:
    """One port's bytes being decoded: facts accumulate over its telegrams; `bytes_skipped` is final at the end.

    `own` is a spec to decode by, whatever else fits. `bare` takes IEC 62056-21 data blocks without header and STX for
    telegrams, as files of load profiles have them; the device never does. Of failures at most `explain_at_most` are
    explained, as looking for a flipped bit takes time. `zone` is the IANA zone of the place, before the spec's own.
    `key` is that of its meter, for ciphered telegrams.
    """

    specs: tuple[Spec, ...]
    protocol: Protocol = "auto"
    own: Spec | None = None
    bare: bool = True
    explaining: Explaining = "nothing"
    explain_at_most: int = 1000
    zone: str = ""
    key: MeterKey | None = None
    bytes_skipped: int = 0
    _identifier: Identifier = field(default_factory=Identifier)
    _explainer: Identifier = field(default_factory=Identifier)
    _counters: FrameCounters = field(default_factory=FrameCounters)
    _telegrams: int = 0
    _cursor: int = 0
    _hinted: bool = False

    def found(self, data: bytes) -> Iterator[Found]:
        """Each telegram of a capture in any dress, in the order of the bytes."""
        return self.on_the_wire(unwrap(data))

    def on_the_wire(self, line: bytes) -> Iterator[Found]:
        """Each telegram of the bytes of a line; where there is none, what can be read without its framing."""
        framer = self._framer(line)
        for start in range(0, len(line), CHUNK_BYTES):
            for item in framer.feed(line[start : start + CHUNK_BYTES]):
                yield self._found(item, line)
        for item in framer.finish():
            yield self._found(item, line)
        self.bytes_skipped = framer.skipped
        if not self._telegrams:
            yield from self._salvaged(line)

    def _framer(self, line: bytes) -> Framer | AnyFramer:
        if self.protocol in ("auto", Wire.DLMS) and is_wrapped(line):
            return WrapperFramer()
        if self.protocol is Wire.IEC62056_21:
            return Iec62056Framer(bare=self.bare)
        crcs = crcs_of(line)
        if self.protocol == "auto":
            return AnyFramer(bare=self.bare, crcs=crcs or (), any_crc=crcs is None)
        return make_framer(self.protocol, crcs or (), any_crc=crcs is None)

    def _salvaged(self, data: bytes) -> Iterator[Found]:
        piece = salvage(data, None if self.protocol == "auto" else self.protocol)
        if piece is None:
            return
        explained, error = explain_salvaged(piece, self.specs, self.own)
        line = self._line() | {"error": str(error)}
        if piece.telegram is not None:
            line["protocol"] = str(piece.telegram.protocol)
        self.bytes_skipped = len(data) - len(piece.data)
        yield Found(line, None, self._with_transfer(explained, data) if self.explaining != "nothing" else None)

    def _with_transfer(self, explained: Explained, data: bytes) -> Explained:
        """With what the whole input is, or what was done to it, once, at its first failure."""
        hints = () if self._hinted else tuple(transfer_hints(data))
        self._hinted = True
        own = explained.hints
        if hints and recognise(data) is not None:
            own = tuple(hint for hint in own if hint.cause != "wrong_baud")
        return replace(explained, hints=(*own, *hints))

    def _line(self) -> dict[str, Any]:
        self._telegrams += 1
        return {
            "telegram": self._telegrams,
            "protocol": None if self.protocol == "auto" else str(self.protocol),
            "identification": None,
            "spec": None,
            "at": None,
            "values": {},
            "meters": {},
            "error": None,
        }

    def _found(self, item: Frame | FrameError, data: bytes) -> Found:
        line = self._line()
        if isinstance(item, FrameError):
            line |= {"protocol": line["protocol"] or _protocol_of(item), "error": str(item)}
            return Found(line, None, self._explained(item, data, failed=True))
        line, decoded = self._decoded(line, item)
        return Found(line, decoded, self._explained(item, data, failed=decoded is None))

    def _decoded(self, line: dict[str, Any], frame: Frame) -> tuple[dict[str, Any], Decoded | None]:
        line["protocol"] = str(frame.protocol)
        try:
            telegram = parse(frame, self.key)
            self._counters.check(telegram)
            identity = self._identifier.add(telegram)
            line["identification"] = _identification(identity)
            spec = self.own
            if spec is None:
                match = best(self.specs, identity)
                if match is None:
                    return line | {"error": f"no_spec: none of {counted(len(self.specs), 'spec')} matches"}, None
                spec = match.spec
            line["spec"] = spec.ref
            if frame.crc and frame.crc not in spec.decode.crc:
                line["note"] = _crc_note(frame.crc)
            decoded = readings_of(spec, telegram, zone=self.zone)
        except FrameError as error:
            return line | {"error": str(error)}, None
        return line | _readings(decoded), decoded

    def _explained(self, item: Frame | FrameError, data: bytes, *, failed: bool) -> Explained | None:
        """The explanation, where it is asked for; a failure's place is found again by its bytes."""
        if self.explaining == "nothing":
            return None
        start = data.find(item.data, self._cursor) if isinstance(item, FrameError) else item.offset
        self._cursor = max(self._cursor, start + len(item.data))
        wanted = self.explaining == "all" or failed
        if not wanted or (failed and self.explain_at_most <= 0):
            return None
        self.explain_at_most -= failed
        if isinstance(item, FrameError):
            return self._with_transfer(explain_failure(item, data, max(0, start), self.specs, self.own), data)
        return explain_frame(item, self.specs, self.own, self._explainer, self.key)


def decode_stream(data: bytes, protocol: Protocol, specs: Iterable[Spec]) -> Iterator[dict[str, Any]]:
    """Each telegram of one port's bytes as a dict of `wattline decode --json`, and last the summary's."""
    summary, decoding = Summary(), Decoding(tuple(specs), protocol)
    for found in decoding.found(data):
        summary.count(found.line)
        yield found.line
    summary.bytes_skipped = decoding.bytes_skipped
    yield {"summary": vars(summary)}


def _crc_note(crc: str) -> str:
    """What an agent wants before it reads a telegram with another CRC than the usual one."""
    return (
        f"its check is {spelled(crc)} in place of CRC-16/ARC: an agent reads it from the second such telegram in a row"
        f" on, or from the first by a spec with `decode: {{crc: {crc}}}`"
    )


def _protocol_of(error: FrameError) -> str | None:
    """The protocol of a bad frame where its start or its check shows it; text protocols look alike."""
    if error.data.startswith(b"\x1b\x1b\x1b\x1b"):
        return str(Wire.SML)
    if begins_reply(error.data):
        return str(Wire.MBUS)
    link = link_of(error.data[0]) if error.data else None
    if link is not None:
        return str(link.wire)
    return {"crc_mismatch": str(Wire.P1), "bcc_mismatch": str(Wire.IEC62056_21)}.get(error.reason)


def _identification(identity: Identity) -> str | None:
    facts = identity.facts
    return facts.get("identification") or identity.key or facts.get("server_id") or None


def _readings(decoded: Decoded) -> dict[str, Any]:
    live = [sample for sample in decoded.samples if not sample.profile]
    rows = [sample for sample in decoded.samples if sample.profile]
    own = [sample for sample in live if not sample.sub_meter]
    found: dict[str, Any] = {"at": _stamp(decoded.at), "values": {}, "meters": {}}
    for sample in own:
        # The telegram's own time comes first: a maximum of an earlier day never hides a value of now.
        for code, number in _numbers(sample).items():
            found["values"].setdefault(code, number)
    for sample in live:
        if sample.sub_meter:
            found["meters"].setdefault(sample.sub_meter, {}).update(_numbers(sample))
    if rows:
        found["profile"] = [{"at": _stamp(row.at), "values": _numbers(row)} for row in rows]
        if not own:
            found |= {name: found["profile"][-1][name] for name in ("at", "values")}
    if odd := [one for sample in decoded.samples for one in _implausible(sample, rows)]:
        found["implausible"] = odd
    return found


def _implausible(sample: MeterSample, rows: list[MeterSample]) -> Iterator[dict[str, Any]]:
    """The values that an ingestor would put into quarantine, by the field of the line that has them."""
    place = f"meters.{sample.sub_meter}" if sample.sub_meter else "values"
    if sample.profile:
        place = f"profile.{next(number for number, row in enumerate(rows) if row is sample)}.values"
    for code, number in _numbers(sample).items():
        low, high = bounds_of(code, sample.units.get(code))
        if not low <= number <= high:
            yield {"field": f"{place}.{code}", "value": number, "low": low, "high": high}


def _numbers(sample: MeterSample) -> dict[str, int | float]:
    return {code: json_number(value) for code, value in sample.values.items()}


def _stamp(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None
