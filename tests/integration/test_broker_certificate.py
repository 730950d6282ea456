"""A gateway says when the broker's certificate ends, however it comes to the broker."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from cryptography import x509

from tests.rigs.certificates import Authority, Pair
from tests.rigs.gateway import gateway, gateway_settings, rows
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until_equal

METRIC = "wattline_gateway_certificate_end_seconds"


async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while some := await reader.read(65536):
            writer.write(some)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def over_tls(broker: Broker, pair: Pair) -> AsyncIterator[int]:
    """A port at which the broker is reached over TLS with this certificate, by passwords as at its own."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)

    async def let_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, to_broker = await asyncio.open_connection(broker.host, broker.port)
        await asyncio.gather(forward(reader, to_broker), forward(behind, writer))

    async with await asyncio.start_server(let_in, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


def ends(pair: Pair) -> float:
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes()).not_valid_after_utc.timestamp()


async def test_the_broker_s_certificate_is_told_before_it_ends(
    own_broker: Broker, database: Database, tmp_path: Path
) -> None:
    """As it is shown over TLS, of a file where the gateway comes without; in the metric, and where boards look."""
    authority = Authority(tmp_path)
    pair, of_file = authority.issue("broker"), authority.issue("renewed")
    async with over_tls(own_broker, pair) as port:
        shown = own_broker.address("gateway", port).model_copy(update={"tls_ca": authority.certificate})
        async with gateway(gateway_settings(own_broker, database, broker=shown, logins_s=1)) as running:
            await until_equal(partial(running.metric, METRIC, of="broker"), ends(pair))
            told = "SELECT of, value FROM gateway_gauge_overview WHERE gauge = 'certificate_end_seconds'"
            await until_equal(partial(rows, database, told), [{"of": "broker", "value": ends(pair)}])
    by_password = own_broker.by_password("gateway")
    plain = gateway_settings(own_broker, database, broker=by_password, broker_certificate=of_file.certificate)
    async with gateway(plain) as running:
        await until_equal(partial(running.metric, METRIC, of="broker"), ends(of_file))
    async with gateway(gateway_settings(own_broker, database)) as running:
        login, shown = own_broker.address("gateway").tls_certificate, own_broker.server.certificates.shown.certificate
        assert login is not None
        for of, file in (("login", login), ("broker", shown)):
            await until_equal(partial(running.metric, METRIC, of=of), ends(Pair(file, file)))
