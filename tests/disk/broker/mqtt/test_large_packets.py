"""A flood of packets that are larger than what is read at once: no more is held than may wait."""

import asyncio
import contextlib
import socket
import threading
import time

from broker.mqtt.session import Session, SessionOptions
from tests.rigs.scripted_broker import Client, scripted
from tests.rigs.waiting import until

PAYLOAD = bytes(250_000)
MOST_BYTES = 2**19
AHEAD = 8
"""Packets that the kernel holds between the two."""


def pour(to: socket.socket, most: int, sent: list[int]) -> None:
    """Send one large packet after the other for as long as the other side takes them."""
    topic, length = b"\0\1t", len(PAYLOAD) + 6
    header = bytes([0x32, length & 127 | 128, length >> 7 & 127 | 128, length >> 14])
    with to, contextlib.suppress(OSError):
        for number in range(1, most + 1):
            to.sendall(header + topic + number.to_bytes(2, "big") + b"\0" + PAYLOAD)
            sent.append(number)


def poured(client: Client, most: int, sent: list[int]) -> threading.Thread:
    """Have a thread do it, and the loop stand still until so much has come that there is no end of it in sight."""
    raw: socket.socket = client.writer.get_extra_info("socket").dup()
    raw.setblocking(True)
    thread = threading.Thread(target=pour, args=(raw, most, sent), daemon=True)
    thread.start()
    deadline_s = time.monotonic() + 10
    while len(sent) < AHEAD and time.monotonic() < deadline_s:
        thread.join(0.001)
    return thread


async def test_no_more_is_read_than_may_wait() -> None:
    """Whoever takes nothing holds what was agreed and about a packet, however large they are; then it goes on."""
    sent: list[int] = []
    async with scripted() as broker:
        options = SessionOptions("taker", receive_bytes=MOST_BYTES, receive_maximum=1000, subscriptions=(("t", 1),))
        async with Session(broker.address, options) as session:
            await asyncio.wait_for(session.wait_connected(), 10)
            thread = poured(broker.last, 100, sent)
            await until(lambda: session.waiting * len(PAYLOAD) > MOST_BYTES)
            assert session.waiting * len(PAYLOAD) <= MOST_BYTES + len(PAYLOAD)
            taken = 0
            while taken < 100:
                taken += len(await session.receive(10))
                assert session.waiting * len(PAYLOAD) <= MOST_BYTES + len(PAYLOAD)
            await until(lambda: not thread.is_alive())
    assert (taken, len(sent)) == (100, 100)
