"""What bytes that somebody sends mean, by the published specs. Pure functions."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from broker.errors import ContractError
from gateway.api.decode.models import DecodeAnswer, DecodedTelegram, DecodeQuery, DecodeRequest
from gateway.desired.spec_catalogue import SpecCatalogue
from gateway.faults import invalid, refusal_of
from gateway.validation import mismatch
from meters.explain.explanation import explain_nothing
from meters.explain.lines import Decoding, Protocol, Summary
from meters.specs.spec import Spec
from meters.telegram import Wire
from meters.wires.capture_text import Undressed, from_hex, undress

MAX_TELEGRAMS: Final = 500
"""Telegrams of one answer; the rest is counted in its summary only up to here, and `more` says so."""
MAX_EXPLAINED: Final = 50
_JSON_START: Final = b"{"


@dataclass(frozen=True, slots=True)
class DecodeTask:
    """What to decode, and how."""

    line: Undressed
    protocol: Protocol
    own: Spec | None
    walk: bool


def answer(body: bytes, query: DecodeQuery, content_type: str, catalogue: SpecCatalogue) -> DecodeAnswer:
    """The answer to a request. Raises Refusal that names the field."""
    order = _order(body, query, content_type, catalogue)
    line = order.line
    decoding = Decoding(
        catalogue.candidates(), order.protocol, order.own, bare=False, explaining="all", explain_at_most=MAX_EXPLAINED
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


def _order(body: bytes, query: DecodeQuery, content_type: str, catalogue: SpecCatalogue) -> DecodeTask:
    """The request's parts. Raises Refusal that names the field."""
    if not body:
        raise invalid("body", "empty, there is nothing to decode", "send bytes, or JSON with hex, text or base64")
    if content_type != "application/json" and not _is_request(body):
        return DecodeTask(undress(body), _protocol(query.protocol), _spec(query.spec, catalogue), query.walk)
    try:
        # not strictly: a spec's own validators make Python's values of JSON's, and leave the others as they are
        asked = DecodeRequest.model_validate_json(body)
    except ValidationError as error:
        raise mismatch(error, list(DecodeRequest.model_fields)) from error
    return DecodeTask(
        _line(asked),
        _protocol(asked.protocol or query.protocol),
        _spec(asked.spec if asked.spec is not None else query.spec, catalogue),
        query.walk,
    )


def _is_request(body: bytes) -> bool:
    """Whether a body is a JSON request that a client sent under another content type, as curl does, and no bytes."""
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
        raise refusal_of(error) from error
    except (binascii.Error, ValueError) as error:
        raise invalid("base64", str(error), "give base64 with its padding (RFC 4648)") from error
    return undress((asked.text or "").encode("latin-1", "replace"))


def _protocol(name: str) -> Protocol:
    return "auto" if name == "auto" else Wire(name)


def _spec(asked: str | Spec | None, catalogue: SpecCatalogue) -> Spec | None:
    """The spec to decode by: a document as it is, or the published one, without a version the newest."""
    if asked is None or isinstance(asked, Spec):
        return asked
    name, _, version = asked.partition("@")
    found = [one.spec for one in catalogue.specs.values() if one.name == name and version in ("", str(one.version))]
    readable = [spec for spec in found if spec is not None]
    if not readable:
        raise invalid("spec", f"no published spec {asked[:100]!r}", "GET /api/v1/specs lists them, or send a document")
    return max(readable, key=lambda spec: spec.version)
