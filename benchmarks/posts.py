"""The generator of posts: a process with many keep-alive connections, as fast as answers come or at a steady rate.

`python -m benchmarks.posts` reads what to do as JSON from its first line of stdin, says `ready`, waits for a line, and
prints what it saw as JSON.
"""

import asyncio
import hmac
import json
import secrets
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass

BODY_BYTES = 1000
DEADLINE_S = 300.0


@dataclass(frozen=True, slots=True)
class Posts:
    """What one generator sends."""

    port: int
    connections: int
    each: int
    """Posts of one connection."""
    rate: float = 0.0
    """Posts a second of all connections together; 0: the next one as soon as one is answered."""
    path: str = "/hooks/bench"
    signed_by: str = "bench"

    @property
    def total(self) -> int:
        """Posts in all."""
        return self.connections * self.each


def requests(posts: Posts, marker: str, connection: int) -> list[bytes]:
    """Signed posts of about 1 KB as a head-end sends them, ready to be written."""
    stamp = str(int(time.time()))
    made = []
    for number in range(posts.each):
        name = f"{marker}-{connection}-{number}"
        body = json.dumps({"meter": name, "at": "2026-11-30T01:00:00Z", "kwh": number * 0.001, "pad": ""}).encode()
        body = body[:-2] + b"x" * (BODY_BYTES - len(body)) + body[-2:]
        digest = hmac.digest(posts.signed_by.encode(), stamp.encode() + b"." + body, "sha256").hex()
        head = (
            f"POST {posts.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nIdempotency-Key: {name}\r\n"
            f"X-Wattline-Timestamp: {stamp}\r\nX-Wattline-Signature: {digest}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


class Connection(asyncio.Protocol):
    """Sends a post, waits for its answer, sends the next; a post that is told to wait is not sent again."""

    def __init__(self, made: list[bytes], statuses: Counter[str], seconds: list[float]) -> None:
        self._made = made
        self._statuses, self._seconds = statuses, seconds
        self._next = 0
        self._due_s: list[float] = []
        self._waiting: asyncio.Future[None] | None = None
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - tells the type
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """The server must not leave while posts are unanswered."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))

    def post(self, due_s: float) -> None:
        """Send the next one, which was due at this time of the loop's clock."""
        assert self._transport is not None  # noqa: S101 - connected
        self._due_s.append(due_s)
        # one at a time, as senders without pipelining do
        if len(self._due_s) == 1:
            self._transport.write(self._made[self._next])

    def data_received(self, data: bytes) -> None:
        """Read answers."""
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        now_s = asyncio.get_running_loop().time()
        status = head[9:12].decode()
        self._statuses[status] += 1
        due_s = self._due_s.pop(0)
        if status == "202":
            self._seconds.append(now_s - due_s)
        self._next += 1
        if self._next == len(self._made):
            self.done.set_result(None)
        elif self._due_s:
            assert self._transport is not None  # noqa: S101 - connected
            self._transport.write(self._made[self._next])
        elif self._flooding:
            self.post(now_s)

    _flooding = False

    def flood(self) -> None:
        """Send each as soon as the one before is answered."""
        self._flooding = True
        self.post(asyncio.get_running_loop().time())


async def _steady(posts: Posts, all_of_them: list[Connection]) -> None:
    """Post at the rate, in turns, whether answers come or not."""
    loop = asyncio.get_running_loop()
    began_s, sent = loop.time(), 0
    while sent < posts.total:
        due = min(posts.total, int((loop.time() - began_s) * posts.rate) + 1)
        for number in range(sent, due):
            all_of_them[number % len(all_of_them)].post(began_s + number / posts.rate)
        sent = due
        await asyncio.sleep(0.002)


async def main() -> None:
    """See the module."""
    posts = Posts(**json.loads(sys.stdin.readline()))
    statuses, seconds, marker = Counter[str](), list[float](), secrets.token_hex(4)
    loop = asyncio.get_running_loop()
    made = [Connection(requests(posts, marker, number), statuses, seconds) for number in range(posts.connections)]
    for one in made:
        await loop.create_connection(lambda one=one: one, "127.0.0.1", posts.port)  # type: ignore[misc]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    began_s, at = loop.time(), time.time()
    async with asyncio.timeout(DEADLINE_S):
        if posts.rate:
            await _steady(posts, made)
        else:
            for one in made:
                one.flood()
        await asyncio.gather(*(one.done for one in made))
    took_s = loop.time() - began_s
    seconds.sort()
    found = {
        "began_at": at,
        "took_s": took_s,
        "accepted": len(seconds),
        "statuses": dict(statuses),
        "p50_s": seconds[len(seconds) // 2] if seconds else 0.0,
        "p99_s": seconds[int(len(seconds) * 0.99)] if seconds else 0.0,
        "max_s": seconds[-1] if seconds else 0.0,
    }
    sys.stdout.write(json.dumps(found) + "\n")


def line(posts: Posts) -> bytes:
    """What a generator is told."""
    return json.dumps(asdict(posts)).encode() + b"\n"


if __name__ == "__main__":
    asyncio.run(main())
