"""EST (RFC 7030) for devices: its four resources, who may use them, and how often."""

import base64
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import hdrs, web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from broker.buckets import Buckets
from broker.runtime.http_bounds import party
from gateway.api.auth.authorization import in_time
from gateway.api.problem import STATUS
from gateway.audit import NOBODY, Attempt, Audit
from gateway.enrolment.authority import common_name
from gateway.enrolment.claims import EnrolmentClaims
from gateway.enrolment.enrolling import Enrolling, Issued, Outcome, serial_text
from gateway.enrolment.issuers import IssuerError
from gateway.enrolment.requests import Asked, read_request
from gateway.enrolment.store import StoredClaim
from gateway.faults import Fault, Kind, Refusal, too_many
from gateway.metrics import Metrics

log = structlog.get_logger()
PREFIX: Final = "/.well-known/est"
CERTIFICATES: Final = "application/pkcs7-mime"
FAILED_PER_S: Final = 0.2
FAILED_BURST: Final = 20
"""Wrong tokens from one address."""
REFUSED_PER_S: Final = 0.5
REFUSED_BURST: Final = 100
"""Requests of one claim or login from one address that were refused: each is a line of the audit."""
DEVICE_PER_S: Final = 1 / 30
DEVICE_BURST: Final = 20
"""Requests of one device; twice as many as it makes while it waits."""
ASKS_PER_S: Final = 5.0
ASKS_BURST: Final = 300
"""Requests of one address that shows a good claim or certificate: a site's Pis may all come at once."""
RETRY_S: Final = 30
"""When to ask again where the authority is away."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Shown:
    """The certificate that a client has proved to hold; TLS has judged its chain, and not its time."""

    serial: str
    name: str


class EstServer:
    """The resources below /.well-known/est; what may change is in the audit."""

    def __init__(
        self, claims: EnrolmentClaims, enrolling: Enrolling, authorities: Sequence[x509.Certificate], audit: Audit,
        metrics: Metrics,
    ) -> None:  # fmt: skip
        self._claims = claims
        self._enrolling = enrolling
        self._authorities = list(authorities)
        self._audit = audit
        self._metrics = metrics
        self._failed = Buckets(FAILED_PER_S, FAILED_BURST)
        self._asks = Buckets(ASKS_PER_S, ASKS_BURST)
        self._refused = Buckets(REFUSED_PER_S, REFUSED_BURST)
        self._devices = Buckets(DEVICE_PER_S, DEVICE_BURST)
        self._told = Buckets(1 / 60, 1)

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [
            web.get(f"{PREFIX}/cacerts", self.cacerts),
            web.post(f"{PREFIX}/simpleenroll", self.enroll),
            web.post(f"{PREFIX}/simplereenroll", self.reenroll),
        ]

    async def cacerts(self, request: web.Request) -> web.StreamResponse:
        """The authority's certificates, for everybody (RFC 7030 4.1)."""
        if wait_s := self._asks.take(party(_address(request))):
            raise self._too_many(request, wait_s)
        return _certificates(self._authorities)

    async def enroll(self, request: web.Request) -> web.StreamResponse:
        """A first certificate, by a claim's name and token (RFC 7030 4.2.1)."""
        claim = await self._claim(request)
        return await self._answered(
            request,
            f"claim {claim.name}",
            lambda asked: self._enrolling.ask(claim, asked, _address(request)),
        )

    async def reenroll(self, request: web.Request) -> web.StreamResponse:
        """The next certificate, by the one before (RFC 7030 4.2.2)."""
        shown = _shown(request)
        if shown is None:
            await self._wrong(request, "no certificate was shown")
            raise _unidentified("certificate", "none was shown", "renew over TLS with the device's certificate")
        return await self._answered(
            request,
            shown.name,
            lambda asked: self._enrolling.renew(shown.serial, shown.name, asked, _address(request)),
        )

    async def _answered(
        self, request: web.Request, actor: str, ask: Callable[[Asked], Awaitable[Outcome]]
    ) -> web.StreamResponse:
        address = party(_address(request))
        # apart from guesses: whoever guesses behind the same router must not keep the good ones out
        caller = f"{actor} {address}"
        if wait_s := max(self._asks.take(address), self._refused.wait(caller)):
            raise self._too_many(request, wait_s)
        body = await in_time(request.read())
        try:
            asked = read_request(body)
            # a login that is shown, or a key that asks by a claim: none makes certificates without end
            device = actor if request.path.endswith("/simplereenroll") else f"{asked.device} {asked.spki_sha256.hex()}"
            if wait_s := self._devices.take(device):
                raise self._too_many(request, wait_s)
            outcome = await ask(asked)
        except Refusal as error:
            if error.kind is Kind.TOO_MANY:
                raise
            self._refused.take(caller)
            self._metrics.enrolments.labels("refused").inc()
            await self._audit.line_of(actor, None, _attempt(request), STATUS[error.kind], error.detail)
            raise
        except IssuerError as error:
            self._metrics.enrolments.labels("failed").inc()
            log.warning("certificate_not_issued", reason=str(error), retry_in_s=RETRY_S)
            return _later("the authority is away; ask again", RETRY_S)
        if isinstance(outcome, Issued):
            await self._audit.line_of(actor, None, _attempt(request), 200, f"certificate for {outcome.identity}")
            return _certificates([outcome.certificate, *self._authorities])
        return _later(outcome.reason, outcome.retry_s)

    async def _claim(self, request: web.Request) -> StoredClaim:
        """The claim whose token is shown. Raises Refusal; an address that guessed wrong too often is not judged."""
        name, token = _credentials(request)
        address = party(_address(request))
        if (wait_s := self._failed.wait(address)) and not self._claims.knows(name, token):
            raise self._too_many(request, wait_s)
        claim = await self._claims.recognise(name, token)
        if claim is None:
            await self._wrong(request, f"no claim {name[:80]!r} with this token")
            fix = "use what `wattline claim create` printed; a revoked claim is as good as none"
            raise _unidentified("Authorization", "no claim has this name and token", fix)
        return claim

    async def _wrong(self, request: web.Request, result: str) -> None:
        """Count and enter an attempt of nobody known; once a minute for each address."""
        address = party(_address(request))
        self._failed.take(address)
        self._metrics.enrolments.labels("unidentified").inc()
        if not self._told.take(address):
            await self._audit.line_of(NOBODY, None, _attempt(request), 401, result)

    def _too_many(self, request: web.Request, wait_s: int) -> Refusal:
        self._metrics.enrolments.labels("limited").inc()
        return too_many(f"too many requests from {party(_address(request))}", wait_s)


def _credentials(request: web.Request) -> tuple[str, str]:
    """The claim's name and token (RFC 7617). Raises Refusal."""
    scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    try:
        name, colon, token = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except ValueError:
        name, colon, token = "", "", ""
    if scheme.lower() != "basic" or not colon:
        fix = "send HTTP Basic with the claim's name and token"
        raise _unidentified("Authorization", "no claim was shown", fix)
    return name, token


def _unidentified(field: str, reason: str, fix: str) -> Refusal:
    return Refusal(Kind.UNIDENTIFIED, f"{field}: {reason}; {fix}", [Fault(field, reason, fix)])


def _shown(request: web.Request) -> Shown | None:
    channel = request.transport.get_extra_info("ssl_object") if request.transport else None
    der = channel.getpeercert(binary_form=True) if channel is not None else None
    if der is None:
        return None
    certificate = x509.load_der_x509_certificate(der)
    return Shown(serial_text(certificate), common_name(certificate.subject))


def _attempt(request: web.Request) -> Attempt:
    action = "enrol" if request.path.endswith("/simpleenroll") else "renewCertificate"
    return Attempt(action, request.method, request.path, _address(request))


def _address(request: web.Request) -> str:
    return request.remote or "unknown"


def _certificates(found: list[x509.Certificate]) -> web.Response:
    """A certs-only answer: base64 of PKCS#7 (RFC 7030 4.1.3, 4.2.3)."""
    der = pkcs7.serialize_certificates(found, Encoding.DER)
    headers = {
        "Content-Type": f"{CERTIFICATES}; smime-type=certs-only",
        "Content-Transfer-Encoding": "base64",
        "Cache-Control": "no-store",
    }
    return web.Response(body=base64.encodebytes(der), headers=headers)


def _later(reason: str, retry_s: int) -> web.Response:
    """Not yet (RFC 7030 4.2.3)."""
    return web.json_response({"detail": reason}, status=202, headers={"Retry-After": str(retry_s)})


@web.middleware
async def challenged(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say how to show who one is where nobody was recognised (RFC 7235 3.1)."""
    response = await handler(request)
    if response.status == 401:
        response.headers[hdrs.WWW_AUTHENTICATE] = 'Basic realm="a claim\'s name and token"'
    return response
