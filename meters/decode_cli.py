"""`wattline decode`: captured bytes of a serial line into what each telegram says, for a person or a program."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

import click

from broker.errors import FrameError
from meters.capture_text import unwrap
from meters.catalogue import catalogue
from meters.decode_table import print_summary, print_telegram
from meters.engine import Decoded, MeterSample
from meters.engine import decode as readings_of
from meters.identify import Identifier, Identity
from meters.match import best
from meters.readers import AnyFramer, make_framer, parse
from meters.spec import Spec
from meters.telegram import Frame, Wire

CHUNK_BYTES: Final = 64 * 1024
MAX_FILE_BYTES: Final = 256 * 1024 * 1024
Protocol = Literal["auto"] | Wire


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


@dataclass
class Decoding:
    """One port's bytes being decoded: facts accumulate over its telegrams; `bytes_skipped` is final at the end."""

    specs: tuple[Spec, ...]
    protocol: Protocol = "auto"
    bytes_skipped: int = 0
    _identifier: Identifier = field(default_factory=Identifier)
    _telegrams: int = 0

    def lines(self, data: bytes) -> Iterator[tuple[dict[str, Any], Decoded | None]]:
        """A line for each telegram, good or bad, in the order of the bytes, with its readings where it has any."""
        framer = AnyFramer() if self.protocol == "auto" else make_framer(self.protocol)
        line = unwrap(data)
        for start in range(0, len(line), CHUNK_BYTES):
            yield from map(self._line, framer.feed(line[start : start + CHUNK_BYTES]))
        yield from map(self._line, framer.finish())
        self.bytes_skipped = framer.skipped

    def _line(self, item: Frame | FrameError) -> tuple[dict[str, Any], Decoded | None]:
        self._telegrams += 1
        line: dict[str, Any] = {
            "telegram": self._telegrams,
            "protocol": None if self.protocol == "auto" else str(self.protocol),
            "identification": None,
            "spec": None,
            "at": None,
            "values": {},
            "meters": {},
            "error": None,
        }
        if isinstance(item, FrameError):
            return line | {"protocol": line["protocol"] or _protocol_of(item), "error": str(item)}, None
        line["protocol"] = str(item.protocol)
        try:
            telegram = parse(item)
            identity = self._identifier.add(telegram)
            line["identification"] = _identification(identity)
            match = best(self.specs, identity)
            if match is None:
                return line | {"error": f"no_spec: none of {len(self.specs)} specs fits"}, None
            line["spec"] = match.spec.ref
            decoded = readings_of(match.spec, telegram)
        except FrameError as error:
            return line | {"error": str(error)}, None
        return line | _readings(decoded), decoded


def decode_stream(data: bytes, protocol: Protocol, specs: Iterable[Spec]) -> Iterator[dict[str, Any]]:
    """Each telegram of one port's bytes as a dict of `wattline decode --json`, and last the summary's."""
    summary, decoding = Summary(), Decoding(tuple(specs), protocol)
    for line, _ in decoding.lines(data):
        summary.count(line)
        yield line
    summary.bytes_skipped = decoding.bytes_skipped
    yield {"summary": vars(summary)}


def _protocol_of(error: FrameError) -> str | None:
    """The protocol of a bad frame where its start or its check tells; text protocols look alike."""
    if error.data.startswith(b"\x1b\x1b\x1b\x1b"):
        return str(Wire.SML)
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
    return found


def _numbers(sample: MeterSample) -> dict[str, int | float]:
    return {code: json_number(value) for code, value in sample.values.items()}


def json_number(value: Decimal) -> int | float:
    """The shortest JSON number of a reading: 12345.678, and 0 rather than 0.000."""
    return int(value) if value == value.to_integral_value() else float(value)


def _stamp(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None


def _read(name: str) -> bytes:
    """A file's bytes, or standard input's for `-`. Raises ClickException with what to do about it."""
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise click.ClickException(f"{name}: {error.strerror or error}") from error
    if not data:
        raise click.ClickException(f"{name}: empty, there is nothing to decode")
    if len(data) > MAX_FILE_BYTES:
        raise click.ClickException(f"{name}: larger than {MAX_FILE_BYTES >> 20} MiB; split it")
    return data


@click.command("decode")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--protocol",
    type=click.Choice(["auto", *(str(wire) for wire in Wire)]),
    default="auto",
    show_default=True,
    help="The protocol on the line; auto takes whichever yields valid telegrams.",
)
@click.option("--json", "as_json", is_flag=True, help="A JSON object on a line for each telegram, and last a summary.")
def decode(files: tuple[str, ...], protocol: str, as_json: bool) -> None:
    """Decode captured bytes of meters: raw, terminal logs with <CR><LF> spelled out, or hex dumps; - is stdin."""
    wire: Protocol = "auto" if protocol == "auto" else Wire(protocol)
    summary, failed = Summary(), False
    for name in files:
        try:
            data = _read(name)
        except click.ClickException as error:
            error.show()
            failed = True
            continue
        before = summary.decoded
        decoding = Decoding(catalogue(), wire)
        for line, decoded in decoding.lines(data):
            summary.count(line)
            shown = line if len(files) == 1 else {"file": name, **line}
            if as_json:
                click.echo(json.dumps(shown, ensure_ascii=False))
            else:
                print_telegram(shown, decoded)
        summary.bytes_skipped += decoding.bytes_skipped
        if summary.decoded == before:
            click.echo(f"{name}: no telegram could be decoded in {len(data)} bytes ({protocol})", err=True)
    if as_json:
        click.echo(json.dumps({"summary": vars(summary)}))
    else:
        print_summary(vars(summary))
    if failed or not summary.decoded:
        raise SystemExit(1)
