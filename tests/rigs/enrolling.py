"""A gateway that devices enrol at, and a device's side of EST, as curl would do it."""

import asyncio
import base64
import contextlib
import json
import re
import secrets
import shutil
import signal
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7
from pydantic import SecretStr

from broker.mosquitto.config import TlsFiles
from deploy.local.mosquitto import MosquittoServer
from deploy.local.process import ServerProcess, free_port, own
from deploy.local.stack import LocalStack
from gateway.enrolment.ca_folder import CHAIN, ROOT
from gateway.enrolment.cli import ca as commands
from tests.rigs.access import ROOT as TOKEN
from tests.rigs.access import ask
from tests.rigs.est_document import check
from tests.rigs.gateway import Gateway, gateway, gateway_settings
from tests.rigs.requests import request
from tests.rigs.servers import Broker, Database


@dataclass(frozen=True)
class Answer:
    """What EST answered: the certificates of a 200, the problem or reason of all else."""

    status: int
    certificates: tuple[x509.Certificate, ...]
    detail: str
    headers: Any

    @property
    def name(self) -> str:
        """The CN of the certificate that was given."""
        return str(self.certificates[0].subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


@dataclass(frozen=True)
class Claimed:
    """A claim with its token."""

    name: str
    token: str


@dataclass
class Est:
    """A gateway with enrolment, and its folder."""

    running: Gateway
    folder: Path
    port: int

    @property
    def url(self) -> str:
        """Where devices enrol."""
        return f"https://localhost:{self.port}"

    async def claim(self, **wanted: Any) -> Claimed:
        """Make a claim over the API."""
        body = {"uses": 100, "until": "2099-01-01T00:00:00Z", "site": "warsaw", **wanted}
        status, made, _ = await ask(self.running, "POST", "/claims", TOKEN, json=body)
        assert status == 200, made
        return Claimed(made["name"], made["token"])

    async def api(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        """Ask the API as an admin."""
        status, document, _ = await ask(self.running, method, path, TOKEN, **more)
        return status, document

    async def page(self, method: str, path: str) -> str:
        """A page of the console, or a part of one after a click."""
        headers = {"Authorization": f"Bearer {TOKEN}", "HX-Request": "true"}
        async with self.running.http.request(method, f"{self.running.url}{path}", headers=headers) as response:
            assert response.status == 200, await response.text()
            return await response.text()

    async def waiting(self) -> list[dict[str, Any]]:
        """Who waits for a person."""
        _, page = await self.api("GET", "/enrolments", params={"state": "waiting"})
        return list(page["items"])

    async def enroll(self, claim: Claimed | None, device: str, hardware: str, key: Any = None) -> Answer:
        """Ask for a first certificate."""
        return await self.post("simpleenroll", request(device, hardware, key), claim)

    async def renew(
        self, shown: x509.Certificate, holder: Any, device: str, hardware: str, key: Any = None,
        chain: x509.Certificate | None = None,
    ) -> Answer:  # fmt: skip
        """Ask for the next certificate, by the one before and its key; `chain` is what signed it, if not of now."""
        body = request(device, hardware, key or holder)
        return await self.post("simplereenroll", body, shown=(shown, holder), chain=chain)

    async def post(
        self,
        resource: str,
        body: bytes,
        claim: Claimed | None = None,
        shown: tuple[x509.Certificate, Any] | None = None,
        chain: x509.Certificate | None = None,
    ) -> Answer:
        """Send anything."""
        context = ssl.create_default_context(cafile=str(self.folder / ROOT))
        if shown is not None:
            above = chain.public_bytes(Encoding.PEM) if chain else (self.folder / "intermediate.pem").read_bytes()
            _show(context, *shown, above, self.folder)
        headers = {"Content-Type": "application/pkcs10"}
        if claim is not None:
            headers["Authorization"] = aiohttp.encode_basic_auth(claim.name, claim.token)
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.url}/.well-known/est/{resource}", data=body, ssl=context, headers=headers) as response,
        ):
            return await _answer(resource, response)


async def _answer(resource: str, response: aiohttp.ClientResponse) -> Answer:
    content = await response.read()
    is_json = response.content_type.endswith("json")
    check(resource, response, json.loads(content) if is_json else None)
    if response.status == 200:
        found = pkcs7.load_der_pkcs7_certificates(base64.b64decode(content))
        return Answer(200, tuple(sorted(found, key=_is_authority)), "", response.headers)
    return Answer(response.status, (), (await response.json(content_type=None))["detail"], response.headers)


def _is_authority(certificate: x509.Certificate) -> bool:
    return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def _show(context: ssl.SSLContext, certificate: x509.Certificate, key: Any, above: bytes, folder: Path) -> None:
    path = folder.parent / "shown.pem"
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(certificate.public_bytes(Encoding.PEM) + above + text)
    context.load_cert_chain(path)


@contextlib.asynccontextmanager
async def enrolling(
    broker: Broker,
    database: Database,
    folder: Path,
    /,
    *,
    ca: dict[str, Any] | None = None,
    more: dict[str, Any] | None = None,
    **rules: Any,
) -> AsyncIterator[Est]:
    """A gateway whose authority is made in `folder`; `more` are other settings of its own."""
    port = free_port()
    settings = gateway_settings(
        broker,
        database,
        api_token=SecretStr(TOKEN),
        ca=ca or {"folder": folder},
        enrolment={"host": "127.0.0.1", "port": port, "names": "localhost,127.0.0.1", **rules},
        **(more or {}),
    )
    async with gateway(settings) as running:
        yield Est(running, folder, port)


@dataclass
class TlsBroker:
    """A Mosquitto that lets in whoever has a certificate of the authority, under the name that stands in it."""

    process: ServerProcess
    port: int

    def log(self) -> str:
        """What it says of who came."""
        return self.process.log_path.read_text(errors="replace")

    def connections(self, identity: str) -> int:
        """How often this login came in."""
        return len(re.findall(rf"New client connected .*u'{re.escape(identity)}'", self.log()))

    async def restart(self) -> None:
        """End every connection."""
        await self.process.stop(signal.SIGTERM, timeout_s=60)
        await self.process.start(self._listens, timeout_s=60)

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    async def __aenter__(self) -> Self:
        await self.process.start(self._listens, timeout_s=60)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.process.kill()


def tls_broker(stack: LocalStack, ca: Path) -> TlsBroker:
    """Made of nothing but an authority's folder: certificate by `wattline ca`, its own configuration file."""
    folder = stack.folder / f"tls-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    made = CliRunner().invoke(
        commands, ["server-certificate", "--folder", str(ca), "--name", "localhost", "--to", str(folder)]
    )
    assert made.exit_code == 0, made.output
    port = free_port()
    lines = [
        f"listener {port} 127.0.0.1", f"cafile {folder / 'chain.pem'}", f"certfile {folder / 'localhost.pem'}",
        f"keyfile {folder / 'localhost.key'}", "require_certificate true", "use_identity_as_username true",
        "allow_anonymous false", "log_type all",
    ]  # fmt: skip
    shutil.copy(ca / CHAIN, folder / "chain.pem")
    (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
    for file in (folder, *folder.iterdir()):
        own(file)
    return TlsBroker(
        ServerProcess([stack.toolchain.mosquitto, "-c", folder / "mosquitto.conf"], folder, orphan_signal="TERM"), port
    )


@contextlib.asynccontextmanager
async def broker_by_certificates(stack: LocalStack) -> AsyncIterator[MosquittoServer]:
    """A Mosquitto that judges devices by the certificates of an authority, which is in `ca` beside its folder."""
    folder = stack.folder / f"fleet-{secrets.token_hex(4)}"
    tls = folder / "tls"
    for words in (
        ["init", "--folder", str(folder / "ca")],
        ["server-certificate", "--folder", str(folder / "ca"), "--name", "localhost", "--to", str(tls)],
    ):
        made = CliRunner().invoke(commands, words)
        assert made.exit_code == 0, made.output
    shutil.copy(folder / "ca" / CHAIN, tls)
    for file in (tls, *tls.iterdir()):
        own(file)
    folder.chmod(0o711)
    files = TlsFiles(tls / "localhost.pem", tls / "localhost.key", tls / CHAIN)
    server = MosquittoServer(stack.toolchain, folder / "mosquitto", tls=files)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
