"""Running a spec's goldens: telegrams with the readings that they must give, or the refusal that must come."""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path

from broker.errors import FrameError
from broker.wording import counted
from meters.decoding.engine import Decoded, decode
from meters.decoding.event_log import log_entries
from meters.specs.identify import Identifier, Identity
from meters.specs.match import best
from meters.specs.spec import Golden, Spec
from meters.telegram import Frame
from meters.wires.capture_text import unwrap
from meters.wires.readers import make_framer, parse


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a golden's telegram gives something else than it must; texts for people."""

    golden: str
    place: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.golden}: {self.place}: expected {self.expected}, got {self.got}"


def check(spec: Spec, *, captures: Path | None = None) -> list[Difference]:
    """All differences of all goldens; none means that the spec does what it says.

    Goldens of captured files are read below `captures`, and left out where that folder is not given or not there.
    """
    return [difference for golden in spec.goldens for difference in check_golden(spec, golden, captures)]


def identity_of(items: Iterable[Frame | FrameError], stated: Mapping[str, str] | None = None) -> Identity | None:
    """What the frames of one port tell of their meter; None where none of them can be read.

    `stated` are facts that a person gives, as a golden and a device's settings name a Modbus product.
    """
    identifier, identity = Identifier(), None
    for item in items:
        if isinstance(item, Frame):
            try:
                telegram = parse(item)
                identity = identifier.add(replace(telegram, facts={**(stated or {}), **telegram.facts}))
            except FrameError:
                continue
    return identity


def frame_bytes(golden: Golden, captures: Path | None) -> bytes | None:
    """The bytes of a golden as they stood on the line; None for a capture whose folder is not there."""
    frame = golden.frame
    if frame.hex is not None:
        return bytes.fromhex(frame.hex)
    if frame.base64 is not None:
        return base64.b64decode("".join(frame.base64.split()), validate=True)
    if frame.text is not None:
        return unwrap(frame.text.replace("\r\n", "\n").replace("\n", "\r\n").encode("latin-1", "replace"))
    if captures is None or not captures.is_dir():
        return None
    return unwrap((captures / (frame.capture or "")).read_bytes())


def check_golden(spec: Spec, golden: Golden, captures: Path | None) -> Iterator[Difference]:
    """The differences of one golden."""
    try:
        data = frame_bytes(golden, captures)
    except (binascii.Error, ValueError, OSError) as error:
        yield Difference(golden.name, "frame", "readable bytes", str(error))
        return
    if data is None:
        return
    framer = make_framer(spec.match.protocol, spec.decode.crc)
    items = [*framer.feed(data), *framer.finish()]
    if len(items) < golden.telegram:
        yield Difference(
            golden.name, "frame", f"telegram {golden.telegram}", f"{counted(len(items), 'telegram')} in the bytes"
        )
        return
    if golden.error is None:
        yield from _match(spec, golden, items)
    if golden.log:
        yield from _log(spec, golden, items[golden.telegram - 1])
        if not golden.values and not golden.profile:
            return
    try:
        decoded = _decode(spec, items[golden.telegram - 1])
    except FrameError as error:
        if error.reason != golden.error:
            yield Difference(golden.name, "error", golden.error or "readings", str(error))
        return
    if golden.error is not None:
        yield Difference(golden.name, "error", golden.error, "readings")
        return
    yield from _readings(golden, decoded)


def _decode(spec: Spec, item: Frame | FrameError) -> Decoded:
    if isinstance(item, FrameError):
        raise item
    return decode(spec, parse(item))


def _log(spec: Spec, golden: Golden, item: Frame | FrameError) -> Iterator[Difference]:
    """Entry by entry, in the order of the meter."""
    if spec.event_log is None:
        yield Difference(golden.name, "log", "a section event_log", "none")
        return
    telegram = None if isinstance(item, FrameError) else parse(item)
    rows = () if telegram is None else telegram.log or telegram.profile
    found = [(_stamp(one.at), one.code, one.meaning) for one in log_entries(rows, spec.event_log, spec.time.zone)]
    wanted = [(_stamp(one.at), one.code, one.meaning) for one in golden.log]
    for number, (should, got) in enumerate(zip_longest(wanted, found, fillvalue=("", "", "no entry"))):
        if should != got:
            yield Difference(golden.name, f"log.{number}", " ".join(should).strip(), " ".join(got).strip())


def _match(spec: Spec, golden: Golden, items: list[Frame | FrameError]) -> Iterator[Difference]:
    """A spec that its own telegrams do not lead to would never be chosen."""
    identity = identity_of(items[: golden.telegram], golden.facts)
    if identity is not None and best([spec], identity) is None:
        facts = ", ".join(f"{name}={value}" for name, value in sorted(identity.facts.items()))
        yield Difference(golden.name, "match", "facts that the spec's match fits", facts[:200] or "no facts")


def _readings(golden: Golden, decoded: Decoded) -> Iterator[Difference]:
    live = [sample for sample in decoded.samples if not sample.profile]
    own: dict[str, Decimal] = {}
    for sample in live:
        own |= {} if sample.sub_meter else sample.values
    yield from _values(golden, "values", dict(golden.values), own)
    behind = {sample.sub_meter: sample.values for sample in live if sample.sub_meter}
    for name in sorted(golden.meters.keys() | (behind.keys() if golden.complete else set())):
        yield from _values(golden, f"meters.{name}", golden.meters.get(name, {}), behind.get(name, {}))
    if decoded.at != _utc(golden.at) and (golden.at is not None or golden.complete):
        yield Difference(golden.name, "at", _stamp(golden.at), _stamp(decoded.at))
    rows = {sample.at: sample.values for sample in decoded.samples if sample.profile}
    for row in golden.profile:
        yield from _values(golden, f"profile.{_stamp(row.at)}", row.values, rows.get(_utc(row.at), {}))
    if golden.complete and len(rows) != len(golden.profile):
        yield Difference(golden.name, "profile", counted(len(golden.profile), "interval"), str(len(rows)))


def _values(golden: Golden, place: str, wanted: dict[str, Decimal], got: dict[str, Decimal]) -> Iterator[Difference]:
    for code in sorted(wanted.keys() | (got.keys() if golden.complete else set())):
        if wanted.get(code) != got.get(code):
            yield Difference(golden.name, f"{place}.{code}", *(_number(side.get(code)) for side in (wanted, got)))


def _number(value: Decimal | None) -> str:
    return "no reading" if value is None else f"{value:f}"


def _utc(at: datetime | None) -> datetime | None:
    return at.astimezone(UTC) if at else None


def _stamp(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else "no time"
