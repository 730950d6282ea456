"""`wattline decode`: captured or pasted bytes of a serial line into what each telegram says, or why it fails."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

from broker.errors import ContractError
from broker.wording import counted
from broker.zones import known_zone_or_none
from meters.explain.explanation import explain_nothing
from meters.explain.hints import is_other, whole_hints
from meters.explain.lines import Decoding, Found, Protocol, Summary, decode_stream
from meters.explain.report import print_explained
from meters.explain.table import print_summary, print_telegram
from meters.explain.types import Hint, json_number
from meters.specs.bounds import MAX_DOCUMENT_BYTES
from meters.specs.catalogue import catalogue, named
from meters.specs.spec import Spec, load_spec
from meters.telegram import Wire
from meters.wires.capture_text import Undressed, from_hex, undress
from meters.wires.meter_key import MeterKey

__all__ = ["decode", "decode_stream", "json_number", "pasted"]

_SPEC_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(@[0-9]+)?")
MAX_FILE_BYTES: Final = 256 * 1024 * 1024
MAX_EXPLAINED_FAILURES: Final = 20
"""Of the failures of a file so many are explained where --explain does not ask for all."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a run was asked for."""

    protocol: Protocol
    own: Spec | None
    as_json: bool
    explain: bool
    zone: str
    key: MeterKey | None = None


def pasted(text: str) -> Undressed:
    """The bytes of a text that a person pasted: hex in any dress, base64, or the telegram itself as text.

    A telegram's text loses its CRs in most clipboards: the readers put them back where its check then holds.
    Raises ContractError where it is none of them.
    """
    try:
        return from_hex(text)
    except ContractError:
        if "(" not in text:
            raise
    return undress(text.encode("latin-1", "replace"))


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


def _own_spec(name: str | None) -> Spec | None:
    """The spec of --spec: a file, else a name of the catalogue. Raises ClickException that names field and fix."""
    if name is None:
        return None
    if _SPEC_NAME.fullmatch(name) and not Path(name).exists():
        try:
            return named(name)
        except ContractError as error:
            raise click.ClickException(f"--spec: {error}") from error
    try:
        with Path(name).open("rb") as file:
            return load_spec(file.read(MAX_DOCUMENT_BYTES + 1), origin=name)
    except OSError as error:
        raise click.ClickException(f"{name}: {error.strerror or error}") from error
    except ContractError as error:
        raise click.ClickException(f"{name}: {error}") from error


def _zone(name: str | None) -> str:
    """The zone of --zone. Raises ClickException where there is none of this name."""
    try:
        return known_zone_or_none(name or "")
    except ValueError as error:
        raise click.ClickException(f"--zone: {error}") from error


def _key(encryption: str | None, authentication: str | None) -> MeterKey | None:
    """The key of --key and --authentication-key. Raises ClickException that does not show it."""
    if encryption is None:
        if authentication is not None:
            raise click.ClickException("--authentication-key: only checks; --key deciphers")
        return None
    if find_spec("cryptography") is None:
        raise click.ClickException("--key: deciphering needs the package cryptography; the extra device brings it")
    try:
        return MeterKey.parse(encryption, authentication or "")
    except ContractError as error:
        raise click.ClickException(str(error)) from error


def _hex(text: str) -> Undressed:
    """What --hex was given. Raises ClickException that names the character that does not belong."""
    try:
        if text == "-":
            raw = _read("-")
            binary = any((byte < 0x20 and byte not in b"\t\r\n") or byte >= 0x7F for byte in raw)
            return Undressed(raw, "raw bytes") if binary else pasted(raw.decode("ascii"))
        return pasted(text)
    except ContractError as error:
        raise click.ClickException(f"--hex: {error.reason}; {error.fix}") from error


class _Run:
    """One run over its files: what it saw, and whether something was missing."""

    def __init__(self, options: Options, *, several: bool) -> None:
        self.options = options
        self.several = several
        self.summary = Summary()
        self.hints: list[Hint] = []

    def take(self, name: str, line: Undressed, *, size: int, bare: bool, whole: bool) -> None:
        """Decode and show one file's bytes; `whole` shows how a telegram was understood, also a good one."""
        before = self.summary.decoded
        seen = self.summary.telegrams
        options = self.options
        shown = "all" if options.explain or (whole and not options.as_json) else "failures"
        decoding = Decoding(
            catalogue(), options.protocol, options.own, bare,
            "nothing" if options.as_json and not options.explain else "all" if shown == "all" else "failures",
            explain_at_most=10**9 if options.explain else MAX_EXPLAINED_FAILURES, zone=options.zone, key=options.key,
        )  # fmt: skip
        if not options.as_json and line.dress != "raw bytes":
            click.echo(f"read as {line.dress}: {counted(len(line.data), 'byte')}")
        for found in decoding.on_the_wire(line.data):
            self.summary.count(found.line)
            self._show(name, found)
        self.summary.bytes_skipped += decoding.bytes_skipped
        if self.summary.telegrams == seen and not options.as_json:
            print_explained(explain_nothing(line.data), walk=False)
        if self.summary.decoded == before:
            hints = whole_hints(line.data) if options.key is None else ()
            self.hints += [hint for hint in hints if is_other(hint)]
            other = next((f": {hint.text}" for hint in hints if is_other(hint)), "")
            heard = counted(size, "byte", thousands=True)
            click.echo(f"{name}: no telegram could be decoded in {heard} ({options.protocol}){other}", err=True)

    def _show(self, name: str, found: Found) -> None:
        line = {"file": name, **found.line} if self.several else found.line
        explain = self.options.explain
        if self.options.as_json:
            if explain and found.explained is not None:
                line = {**line, "explain": found.explained.document(walk=True)}
            click.echo(json.dumps(line, ensure_ascii=False))
            return
        print_telegram(line, found.decoded)
        if found.explained is not None:
            print_explained(found.explained, walk=explain)


def _inputs(files: tuple[str, ...]) -> Iterator[tuple[str, bytes | click.ClickException]]:
    for name in files:
        try:
            yield name, _read(name)
        except click.ClickException as error:
            yield name, error


@click.command("decode")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--hex", "text", metavar="TEXT", help="Decode this instead of files: hex in any dress; - is stdin.")
@click.option(
    "--protocol",
    type=click.Choice(["auto", *(str(wire) for wire in Wire)]),
    default="auto",
    show_default=True,
    help="The protocol on the line; auto takes whichever yields valid telegrams.",
)
@click.option(
    "--spec",
    "spec",
    metavar="FILE|NAME",
    help="Decode by this spec, whatever else fits: a file, or a name of the catalogue, as iskra-mt382.",
)
@click.option("--zone", metavar="NAME", help="Where the meter hangs, as Europe/Vilnius; else the spec's zone counts.")
@click.option(
    "--key",
    metavar="HEX",
    envvar="WATTLINE_METER_KEY",
    show_envvar=True,
    help="The meter's encryption key, 32 hex digits, for ciphered telegrams; as an argument `ps` shows it.",
)
@click.option(
    "--authentication-key",
    metavar="HEX",
    envvar="WATTLINE_METER_AUTHENTICATION_KEY",
    show_envvar=True,
    help="Its authentication key: then the tag must fit, too.",
)
@click.option("--explain", is_flag=True, help="Show the walk: each record with its bytes, and what became of it.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object on a line for each telegram, and last a summary.")
def decode(
    files: tuple[str, ...],
    text: str | None,
    protocol: str,
    spec: str | None,
    zone: str | None,
    key: str | None,
    authentication_key: str | None,
    explain: bool,
    as_json: bool,
) -> None:
    """Decode what meters sent: raw bytes, terminal logs, hex dumps of any kind, base64; - is stdin.

    Says which meter it is, which specs fit, the readings, and, where a telegram fails, which byte and which check.
    """
    if (text is None) == (not files):
        raise click.UsageError("give either files (- is stdin) or --hex TEXT (- is stdin)")
    wire: Protocol = "auto" if protocol == "auto" else Wire(protocol)
    options = Options(wire, _own_spec(spec), as_json, explain, _zone(zone), _key(key, authentication_key))
    run, failed = _Run(options, several=len(files) > 1), False
    if text is not None:
        line = _hex(text)
        run.take("--hex", line, size=len(line.data), bare=False, whole=True)
    for name, data in _inputs(files):
        if isinstance(data, bytes):
            run.take(name, undress(data), size=len(data), bare=True, whole=False)
        else:
            data.show()
            failed = True
    if as_json:
        hints = [asdict(hint) for hint in run.hints]
        click.echo(json.dumps({"summary": vars(run.summary)} | ({"hints": hints} if hints else {})))
    else:
        print_summary(vars(run.summary))
    if failed or not run.summary.decoded:
        raise SystemExit(1)
