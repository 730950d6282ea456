"""`python -m device.enrolment`: asks for one certificate, as its input orders, and ends.

A process of its own, because the library that makes keys and requests would stay in the agent's memory for ever.
"""

import device.light_imports  # noqa: F401, I001 - before all others

import base64
import contextlib
import http.client
import json
import os
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from broker.errors import ContractError, PermanentError
from broker.runtime.trust import DOUBT, client_context
from device.enrolment.certificate_file import FILE
from device.enrolment.certificate_request import CertificateRequest, Outcome
from device.enrolment.requesting import keep, next_key, request_for

TIMEOUT_S = 30.0
MOST_BYTES = 256 * 1024
REFUSED = (401, 403, 404, 409, 413, 422)
LONGEST_RETRY_S = 3600


def main() -> None:
    """Read the order, do it, say what came of it."""
    # keys are this account's alone
    os.umask(0o077)
    order = CertificateRequest.read(sys.stdin.buffer.read())
    try:
        outcome = ask(order)
    except (OSError, http.client.HTTPException, ContractError, PermanentError) as error:
        outcome = Outcome("failed", f"{type(error).__name__}: {error}"[:500])
    sys.stdout.write(outcome.text() + "\n")


def ask(order: CertificateRequest) -> Outcome:
    """Ask once. Raises OSError, HTTPException, ContractError, PermanentError."""
    key, body = _request(order)
    try:
        status, retry, content = _post(order, body)
    except ssl.SSLError as error:
        if not DOUBT.heed(error):
            raise
        status, retry, content = _post(order, body)
    if status == 200:
        held = keep(order, key, content)
        _tidy(order, key)
        return Outcome("issued", f"{held.identity} until {held.not_after.isoformat()}")
    retry_s = min(int(retry), LONGEST_RETRY_S) if retry.isascii() and retry.isdecimal() else 0
    if status == 202:
        return Outcome("waiting", _detail(content), retry_s)
    return Outcome("refused" if status in REFUSED else "failed", f"{status}: {_detail(content)}", retry_s)


def _request(order: CertificateRequest) -> tuple[EllipticCurvePrivateKey, bytes]:
    """The key to ask with, and the request that it has signed. Raises OSError, PermanentError."""
    if not order.key:
        key = next_key(Path(order.folder))
        return key, request_for(order, key)
    # without a token none of it is needed
    from device.enrolment.token_key import token_request

    return token_request(order)


def _tidy(order: CertificateRequest, key: EllipticCurvePrivateKey) -> None:
    """Remove keys of before from the token; what can't be now is with the next one."""
    if order.key:
        from device.enrolment.token_key import remove_others

        with contextlib.suppress(PermanentError, OSError):
            remove_others(order, key)


def _post(order: CertificateRequest, body: bytes) -> tuple[int, str, bytes]:
    """Status, Retry-After and content of the answer."""
    shown = Path(order.folder) / FILE if order.renew else None
    context = client_context(Path(order.authority), shown)
    url = urlsplit(order.url)
    connection = http.client.HTTPSConnection(url.hostname or "", url.port or 443, timeout=TIMEOUT_S, context=context)
    headers = {"Content-Type": "application/pkcs10", "Connection": "close"}
    if not order.renew:
        given = base64.b64encode(f"{order.claim}:{order.token}".encode()).decode()
        headers["Authorization"] = f"Basic {given}"
    try:
        resource = "simplereenroll" if order.renew else "simpleenroll"
        connection.request("POST", f"/.well-known/est/{resource}", body, headers)
        response = connection.getresponse()
        return response.status, response.headers.get("Retry-After", ""), response.read(MOST_BYTES)
    finally:
        connection.close()


def _detail(content: bytes) -> str:
    try:
        return str(json.loads(content)["detail"])[:500]
    except (ValueError, KeyError, TypeError):
        return "no reason was given"


if __name__ == "__main__":
    main()
