"""The route that says what pasted bytes mean. It stores nothing, and works beside the event loop within bounds."""

import asyncio
import base64
import binascii
import json
import time
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from broker.errors import ContractError
from gateway.access import Role
from gateway.api_route import Answer, Call, Route
from gateway.decode_models import DecodeAnswer, DecodedTelegram, DecodeQuery, DecodeRequest
from gateway.problem import TooManyError, invalid, wrong
from gateway.publisher import Publisher
from gateway.shelf import Shelf
from meters.capture_text import Undressed, from_hex, undress
from meters.decode_lines import Decoding, Protocol, Summary
from meters.explain import explain_nothing
from meters.spec import Spec
from meters.telegram import Wire

AT_ONCE: Final = 2
"""Decodings that run at a time, each in a thread of its own."""
WAITING: Final = 8
"""Requests that wait for a place; one more gets 429."""
RATE_PER_S: Final = 10.0
BURST: Final = 40
MAX_TELEGRAMS: Final = 500
"""Telegrams of one answer; the rest is counted in its summary only up to here, and `more` says so."""
MAX_EXPLAINED: Final = 50
_JSON_START: Final = b"{"


class Gate:
    """Lets decodings in: RATE_PER_S with bursts, AT_ONCE running, WAITING in line; beyond that TooManyError."""

    def __init__(self, *, at_once: int = AT_ONCE, waiting: int = WAITING, rate_per_s: float = RATE_PER_S,
                 burst: int = BURST) -> None:  # fmt: skip
        self._places = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._inside = 0
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = float(burst)
        self._filled_at = time.monotonic()

    async def run(self, work: Any, *arguments: Any) -> Any:
        """The result of a pure function, run in a thread. Raises TooManyError."""
        self._admit()
        self._inside += 1
        try:
            async with self._places:
                task = asyncio.get_running_loop().run_in_executor(None, work, *arguments)
                try:
                    return await asyncio.shield(task)
                except asyncio.CancelledError:
                    # A thread can't be stopped: its place is free only once it has ended, and it ends soon.
                    await asyncio.wait([task])
                    raise
        finally:
            self._inside -= 1

    def _admit(self) -> None:
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate_per_s)
        self._filled_at = now
        if self._inside >= self._most:
            raise TooManyError(f"{self._inside} decodings are under way or waiting", 1)
        if self._tokens < 1:
            raise TooManyError(f"more than {self._rate_per_s:g} decodings a second", 1)
        self._tokens -= 1


@dataclass(frozen=True, slots=True)
class Order:
    """What to decode, and how."""

    line: Undressed
    protocol: Protocol
    own: Spec | None
    walk: bool


class DecodeRoutes:
    """Decoding of pasted bytes by the published specs."""

    def __init__(self, publisher: Publisher, gate: Gate | None = None) -> None:
        self._publisher = publisher
        self._gate = gate or Gate()

    def routes(self) -> list[Route]:
        """The routes served here."""
        told = (
            "What bytes of a meter mean: as JSON, or as the body itself (bytes, or a dump as text). Nothing is stored."
        )
        return [
            Route("POST", "/decode", "decode", told, self.decode, DecodeAnswer, DecodeQuery, DecodeRequest,
                  media=("application/json",), role=Role.VIEWER),
        ]  # fmt: skip

    async def decode(self, call: Call) -> Answer:
        """POST /decode."""
        shelf: Shelf = self._publisher.shelf
        return Answer(await self._gate.run(_answer, call.body, call.query, call.content_type, shelf))


def _answer(body: bytes, query: DecodeQuery, content_type: str, shelf: Shelf) -> DecodeAnswer:
    order = _order(body, query, content_type, shelf)
    line = order.line
    decoding = Decoding(
        shelf.candidates(), order.protocol, order.own, bare=False, explaining="all", explain_at_most=MAX_EXPLAINED
    )
    telegrams: list[DecodedTelegram] = []
    summary, more = Summary(), False
    for found in decoding.on_the_wire(line.data):
        if len(telegrams) == MAX_TELEGRAMS:
            more = True
            break
        summary.count(found.line)
        explained = found.explained.document(walk=order.walk) if found.explained else None
        telegrams.append(DecodedTelegram.model_validate({**found.line, "explain": explained}))
    summary.bytes_skipped = decoding.bytes_skipped
    nothing = None if telegrams else explain_nothing(line.data).document(walk=False)
    return DecodeAnswer.model_validate(
        {
            "read_as": line.dress,
            "bytes": len(line.data),
            "telegrams": telegrams,
            "more": more,
            "explain": nothing,
            "summary": vars(summary),
        }
    )


def _order(body: bytes, query: DecodeQuery, content_type: str, shelf: Shelf) -> Order:
    """The request's parts. Raises ApiError that names the field."""
    if not body:
        raise wrong("body", "empty, there is nothing to decode", "send bytes, or JSON with hex, text or base64")
    if content_type != "application/json" and not _is_request(body):
        return Order(undress(body), _protocol(query.protocol), _spec(query.spec, shelf), query.walk)
    try:
        asked = DecodeRequest.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise invalid(error, list(DecodeRequest.model_fields)) from error
    return Order(
        _line(asked),
        _protocol(asked.protocol or query.protocol),
        _spec(asked.spec if asked.spec is not None else query.spec, shelf),
        query.walk,
    )


def _is_request(body: bytes) -> bool:
    """Tell a JSON request that a client sent under another content type, as curl does, from bytes to decode."""
    if not body.lstrip().startswith(_JSON_START):
        return False
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and not document.keys().isdisjoint(("hex", "text", "base64"))


def _line(asked: DecodeRequest) -> Undressed:
    try:
        if asked.hex is not None:
            return from_hex(asked.hex)
        if asked.base64 is not None:
            return Undressed(base64.b64decode("".join(asked.base64.split()), validate=True), "base64")
    except ContractError as error:
        raise wrong(error.field, error.reason, error.fix) from error
    except (binascii.Error, ValueError) as error:
        raise wrong("base64", str(error), "give base64 with its padding (RFC 4648)") from error
    return undress((asked.text or "").encode("latin-1", "replace"))


def _protocol(name: str) -> Protocol:
    return "auto" if name == "auto" else Wire(name)


def _spec(asked: str | Spec | None, shelf: Shelf) -> Spec | None:
    """The spec to decode by: a document as it is, or the published one, without a version the newest."""
    if asked is None or isinstance(asked, Spec):
        return asked
    name, _, version = asked.partition("@")
    found = [one.spec for one in shelf.specs.values() if one.name == name and version in ("", str(one.version))]
    readable = [spec for spec in found if spec is not None]
    if not readable:
        raise wrong("spec", f"no published spec {asked[:100]!r}", "GET /api/v1/specs lists them, or send a document")
    return max(readable, key=lambda spec: spec.version)
