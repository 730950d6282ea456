"""Whether a post is its source's: signatures, tokens and certificates, compared in constant time. Pure."""

import base64
import binascii
import hashlib
import hmac
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Final

from intake.hooks.refusals import HookRefusal
from store.source_settings import SourceSettings

SIGNATURES_MOST: Final = 8
"""Signatures of one post that are compared: a sender that changes its secret sends two."""
STANDARD_PREFIX: Final = "whsec_"
"""Before a secret of Standard Webhooks, which is base64."""
AUTHORIZATION: Final = "Authorization"
Headers = Mapping[str, str]
_KEY: Final = "with the secret that this server's people gave you"
SIGNED: Final[Mapping[str, str]] = {
    "plain": f"sign TIME.BODY (the body as sent) by HMAC-SHA256 {_KEY}, as text without a newline; "
    "{signature}: the signature in hex, {stamp}: TIME in Unix seconds",
    "standard": f"sign ID.TIME.BODY by HMAC-SHA256 {_KEY}, the bytes that its base64 stands for; "
    "{signature}: v1,BASE64, {stamp}: TIME in Unix seconds",
    "stripe": f"sign TIME.BODY by HMAC-SHA256 {_KEY}; {{signature}}: t=TIME,v1=HEX with TIME in Unix seconds",
    "github": f"sign the body as sent by HMAC-SHA256 {_KEY}; {{signature}}: sha256=HEX",
}
"""What a sender is told that signed nothing, or something else: it reaches no API of ours."""
BEARING: Final = "send Authorization: Bearer TOKEN, with the one that this server's people gave you"
CERTIFYING: Final = "show one by an authority that this server knows, and see that no proxy between drops it"
MILLISECONDS: Final = 10**11
"""As seconds, a time stamp of this size is of the year 5138."""


class Prover(ABC):
    """How one source proves its posts."""

    needs_body = False
    """Whether it can be told after the body was read only."""
    id_header: str | None = None
    """What else carries an idempotency key."""

    @abstractmethod
    def check(self, headers: Headers, names: Sequence[str], body: bytes, now_s: float) -> None:
        """Raise HookRefusal unless the post is the source's; `names` are the client certificate's, `now_s` is Unix."""


class SignatureProver(Prover):
    """HMAC-SHA256 over time stamp and body."""

    needs_body = True

    def __init__(self, settings: SourceSettings, words: Sequence[str]) -> None:
        """With the secrets that are believed. Raises ValueError for one that is of no use to its style."""
        style = self._style = settings.signature_style
        self._signature_header = settings.signature_header
        self._timestamp_header = settings.timestamp_header if style in ("plain", "standard") else None
        self.id_header = settings.id_header if style == "standard" else None
        self._window_s = settings.replay_window_s
        self._fix = SIGNED[style].format(signature=settings.signature_header, stamp=settings.timestamp_header)
        keys = (_standard_key(word) if style == "standard" else word.encode() for word in words)
        # begun once for all posts: a copy costs less than another beginning
        self._begun = [hmac.new(key, digestmod="sha256") for key in keys]

    def check(self, headers: Headers, names: Sequence[str], body: bytes, now_s: float) -> None:  # noqa: ARG002
        """See Prover."""
        given = headers.get(self._signature_header)
        if given is None:
            raise _unproved(f"the header {self._signature_header} is missing", self._signature_header, self._fix)
        stamp: str | None
        if self._style == "stripe":
            parts = [part.strip().partition("=") for part in given.split(",")]
            stamp = next((value for name, _, value in parts if name == "t"), None)
            shown = [value for name, _, value in parts if name == "v1"]
        else:
            stamp = headers.get(self._timestamp_header) if self._timestamp_header else None
            shown = self._shown(given)
        signed = self._signed(headers, stamp, body)
        right = [_finished(begun, signed) for begun in self._begun]
        proved = False
        for one in shown[:SIGNATURES_MOST]:
            found = _decoded(one, self._style)
            for digest in right:
                # all are compared, so that the time tells nothing
                proved |= hmac.compare_digest(found, digest)
        if not proved:
            raise _unproved("the signature is not that of this body", self._signature_header, self._fix)
        if stamp is not None:
            self._check_time(stamp, now_s)

    def _shown(self, given: str) -> list[str]:
        if self._style == "standard":
            return [one.removeprefix("v1,") for one in given.split() if one.startswith("v1,")]
        return [given.strip().removeprefix("sha256=")]

    def _signed(self, headers: Headers, stamp: str | None, body: bytes) -> bytes:
        if self._style == "github":
            return body
        if stamp is None:
            header = self._timestamp_header or self._signature_header
            raise _unproved(f"no time stamp in the header {header}", header, self._fix)
        if self._style != "standard":
            return _bytes(stamp) + b"." + body
        identity = headers.get(self.id_header or "")
        if identity is None:
            raise _unproved(f"the header {self.id_header} is missing", self.id_header or "", self._fix)
        return _bytes(identity) + b"." + _bytes(stamp) + b"." + body

    def _check_time(self, stamp: str, now_s: float) -> None:
        """After the signature: who can't sign learns nothing of our clock."""
        try:
            at_s = float(int(stamp[:20]))
        except ValueError:
            at_s = float("inf")
        if abs(now_s - at_s) > self._window_s:
            finer = at_s >= MILLISECONDS and at_s != float("inf")
            why = "it seems to be milliseconds" if finer else f"it is not within {self._window_s:g} s of our clock"
            header = self._timestamp_header or self._signature_header
            raise HookRefusal(
                401,
                "replayed",
                f"the time stamp is wrong: {why}",
                header,
                "sign with the present time in Unix seconds; see that the sender's clock is right",
                is_proved=True,
            )


class BearerProver(Prover):
    """A token in the header Authorization."""

    def __init__(self, words: Sequence[str]) -> None:
        # digests have one length, so that no time tells the token's
        self._tokens = [hashlib.sha256(word.encode()).digest() for word in words]

    def check(self, headers: Headers, names: Sequence[str], body: bytes, now_s: float) -> None:  # noqa: ARG002
        """See Prover."""
        given = headers.get(AUTHORIZATION)
        if given is None:
            raise _unproved(f"the header {AUTHORIZATION} is missing", AUTHORIZATION, BEARING)
        scheme, _, token = given.partition(" ")
        found = hashlib.sha256(_bytes(token.strip() if scheme.lower() == "bearer" else "")).digest()
        proved = False
        for right in self._tokens:
            proved |= hmac.compare_digest(found, right)
        if not proved:
            raise _unproved("the token is not this source's", AUTHORIZATION, BEARING)


class CertificateProver(Prover):
    """The sender's TLS certificate."""

    def __init__(self, name: str) -> None:
        self._name = name.lower()

    def check(self, headers: Headers, names: Sequence[str], body: bytes, now_s: float) -> None:  # noqa: ARG002
        """See Prover."""
        if not names:
            raise _unproved("no client certificate of a known authority came with it", "certificate", CERTIFYING)
        if self._name not in (name.lower() for name in names):
            raise HookRefusal(
                403,
                "forbidden",
                f"the certificate of {names[0][:100]} is not this source's",
                "certificate",
                "show the one whose name the source's settings have",
            )


def prover(settings: SourceSettings, words: Sequence[str]) -> Prover:
    """What proves a source's posts, by its secrets. Raises ValueError where they are of no use."""
    if settings.auth == "mtls":
        return CertificateProver(settings.client_name)
    if not any(words):
        raise ValueError("it has no secret")
    return BearerProver(words) if settings.auth == "bearer" else SignatureProver(settings, words)


def decoy() -> Prover:
    """What is asked for a source that is not there: as long as for one that is, and never right."""
    return SignatureProver(SourceSettings(), [secrets.token_hex(32)])


def _finished(begun: hmac.HMAC, signed: bytes) -> bytes:
    copy = begun.copy()
    copy.update(signed)
    return copy.digest()


def _unproved(detail: str, field: str, fix: str) -> HookRefusal:
    return HookRefusal(401, "unproved", detail, field, fix)


def _standard_key(word: str) -> bytes:
    """The bytes of a secret of Standard Webhooks. Raises ValueError."""
    text = word.removeprefix(STANDARD_PREFIX).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("its secret is no base64, as Standard Webhooks wants it") from error


def _decoded(shown: str, style: str) -> bytes:
    """The bytes of a signature, none where it is none."""
    try:
        if style == "standard" or (style == "plain" and len(shown) != 64):
            return base64.b64decode(shown, validate=True)
        return bytes.fromhex(shown)
    except ValueError:
        return b""


def _bytes(text: str) -> bytes:
    """The bytes of a header as they came; what is no UTF-8 comes with lone surrogates."""
    return text.encode(errors="surrogateescape")
