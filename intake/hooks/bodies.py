"""What a body is without its compression, and the key by which it is known again. Pure."""

import hashlib
import zlib
from collections.abc import Mapping
from typing import Final

from intake.hooks.refusals import HookRefusal

KEY_MOST: Final = 255
ENCODINGS: Final = ("", "identity", "gzip", "x-gzip", "deflate")
_GZIP_ONLY, _ZLIB_ONLY, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


def too_large(limit: int) -> HookRefusal:
    """A body beyond its source's limit."""
    return HookRefusal(413, "too_large", f"at most {limit} bytes are taken of this source", "body", "send it in parts")


def check_encoding(encoding: str) -> str:
    """The compression that a Content-Encoding names. Raises HookRefusal for one that is not taken."""
    found = encoding.strip().lower()
    if found not in ENCODINGS:
        raise HookRefusal(
            415,
            "encoding",
            f"Content-Encoding {encoding[:40]!r} is not taken",
            "Content-Encoding",
            "send gzip, deflate, or no compression",
        )
    return found


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """A body without its compression; never more than `limit` bytes of it are in memory. Raises HookRefusal."""
    if encoding in ("", "identity"):
        return body
    bits = _GZIP_ONLY
    if encoding == "deflate":
        # RFC 9110 8.4.1.2 means zlib's form; old senders leave its head away
        bits = _ZLIB_ONLY if body[:1] and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0 else _RAW
    out = bytearray()
    left = body
    try:
        while left:
            # a gzip may have several members, one behind the other (RFC 1952 2.2)
            member = zlib.decompressobj(bits)
            out += member.decompress(left, limit + 1 - len(out))
            if len(out) > limit:
                raise too_large(limit)
            if not member.eof:
                raise _damaged("it ends in its middle")
            left = member.unused_data
            if encoding == "deflate" and left:
                raise _damaged("something stands behind its end")
    except zlib.error as error:
        raise _damaged(str(error)) from error
    return bytes(out)


def _damaged(why: str) -> HookRefusal:
    return HookRefusal(400, "damaged", f"the compressed body is damaged: {why}", "body", "send it again, as a whole")


def key_of(headers: Mapping[str, str], body: bytes, *names: str | None) -> str:
    """The idempotency key in the first of these headers, else the body's SHA-256 in hex. Raises HookRefusal."""
    for name in names:
        if name is None or (given := headers.get(name)) is None:
            continue
        # the draft of the header has it in quotes, most senders do not
        key = given.strip().strip('"')
        if not key or len(key) > KEY_MOST or not (key.isascii() and key.isprintable()):
            raise HookRefusal(
                422,
                "key",
                f"{name} is no key",
                name,
                f"give 1 to {KEY_MOST} visible ASCII characters, new for each post",
            )
        return key
    return hashlib.sha256(body).hexdigest()


def is_taken(content_type: str, taken: tuple[str, ...]) -> bool:
    """Whether a source's content types have one for this; all do where it names none."""
    if not taken:
        return True
    kind = content_type.partition(";")[0].strip().lower()
    return any(kind == one or (one.endswith("/*") and kind.startswith(one[:-1])) or one == "*/*" for one in taken)
