"""The HTTPS listener on which devices enrol: its certificate, whose clients it believes, and its bounds."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web
from cryptography import x509

from broker.errors import PermanentError
from broker.runtime.http_bounds import BoundedServer, ConnectionBounds, open_files
from broker.runtime.http_server import IDLE_S
from gateway.enrolment.ca_folder import pem
from gateway.enrolment.own_certificate import OwnCertificate
from gateway.enrolment.settings import EnrolmentSettings

log = structlog.get_logger()
LOOK_EVERY_S: Final = 3600.0
"""How often the server's certificate is taken anew."""
NO_TIME_CHECK: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME: whether an old certificate may still renew itself is a rule of ours, and not TLS's."""


def server_context(authorities: Sequence[x509.Certificate]) -> ssl.SSLContext:
    """TLS 1.2 or later; a client may show a certificate of these authorities, of any age."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata="".join(pem(one).decode() for one in authorities))
    context.verify_flags |= ssl.VerifyFlags(NO_TIME_CHECK)
    return context


class ServerCertificate:
    """What the listener shows: files of the settings, or the gateway's own certificate; taken anew in time."""

    def __init__(self, settings: EnrolmentSettings, own: OwnCertificate | None) -> None:
        self._settings = settings
        self._own = own

    def load(self, context: ssl.SSLContext) -> None:
        """Have a context show it from the next connection on. Raises PermanentError."""
        files = self._settings
        try:
            if files.certificate is not None:
                context.load_cert_chain(files.certificate, files.key, password="")
            else:
                context.load_cert_chain(self._own_file())
        except ssl.SSLError as error:
            raise PermanentError(
                f"ENROLMENT__CERTIFICATE {files.certificate} and ENROLMENT__KEY {files.key} can't be used"
                f" ({error.reason}); give a PEM certificate and its key"
            ) from error
        except OSError as error:
            raise PermanentError(f"the enrolment's certificate: {error.filename}: {error.strerror}") from error

    async def run(self, context: ssl.SSLContext) -> None:
        """Take it anew for ever: often enough that it never ends."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                self.load(context)
            except PermanentError as error:
                log.warning("enrolment_certificate_kept", reason=str(error), fix="the one before is shown meanwhile")

    def _own_file(self) -> Path:
        if self._own is None:
            raise PermanentError("the enrolment has no certificate; set ENROLMENT__CERTIFICATE and ENROLMENT__KEY")
        return self._own.fresh()


@contextlib.asynccontextmanager
async def serve_enrolment(
    app: web.Application,
    settings: EnrolmentSettings,
    context: ssl.SSLContext,
    bounds: ConnectionBounds,
    refused: Callable[[str], None],
) -> AsyncIterator[int]:
    """Serve an application over TLS while the context lasts; yields its port. Raises PermanentError."""
    app.on_response_prepare.append(_plain)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2, keepalive_timeout=IDLE_S)
    await runner.setup()
    try:
        if runner.server is None:
            raise RuntimeError("the runner is not set up")
        server = BoundedServer(runner.server, bounds.within(open_files()), refused, context)
        try:
            listener = await asyncio.get_running_loop().create_server(
                server, settings.host, settings.port, backlog=128, reuse_address=True
            )
        except OSError as error:
            raise PermanentError(
                f"can't listen on {settings.host}:{settings.port}: {error.strerror}; set"
                " WATTLINE_GATEWAY_ENROLMENT__PORT to another port"
            ) from error
        port: int = listener.sockets[0].getsockname()[1]
        log.info("enrolment_listening", host=settings.host, port=port)
        try:
            yield port
        finally:
            listener.close()
            server.close()
    finally:
        await runner.cleanup()


async def _plain(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "Wattline"
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
