"""What is kept of a webhook's answer, for all who may see channels."""

import asyncio

import pytest

from ingestor.notices.webhook import post
from store.notices.channels import Address

ECHO = b"HTTP/1.1 503 No\r\n\r\nCannot POST /services/T0KEN-OF-IT, S3CRET-WORD is unknown"
SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="


@pytest.mark.parametrize("said", [b"no HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nBad Header\r\n\r\n", b"", ECHO])
async def test_what_is_no_answer_tells_nothing_of_the_url(said: bytes) -> None:
    """The path and the query of a webhook are its token."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        address = Address("webhook", f"http://127.0.0.1:{port}/services/T0KEN-OF-IT?key=S3CRET-WORD", SECRET)
        outcome = await post(address, "m", {"id": "1"}, timeout_s=60, private=True)
    assert outcome.state == "again"
    assert "T0KEN" not in outcome.answer
    assert "S3CRET" not in outcome.answer
    assert outcome.answer
