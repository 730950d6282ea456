"""A TCP proxy that fails on demand, to stand between a service and its server."""

import asyncio
import socket
import struct
from contextlib import suppress
from types import TracebackType
from typing import Self

from deploy.local.process import free_port

_CHUNK_BYTES = 65536
_CHUNKS = 64
_RESET = struct.pack("ii", 1, 0)


class TcpProxy:
    """Forwards connections to a server; `host` and `port` are where to connect instead.

    `cut()` resets all connections and refuses new ones, `stall()` keeps them but lets nothing through (as a dead link
    does), `restore()` ends both. `delay_s` is added to each direction. A side that is not read is held back after
    64 chunks of up to 64 KiB; nothing is dropped.
    """

    def __init__(self, target_host: str, target_port: int, *, delay_s: float = 0.0, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = free_port()
        self.delay_s = delay_s
        self.accepted = 0
        self._target = (target_host, target_port)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def __aenter__(self) -> Self:
        await self.restore()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cut()

    @property
    def connections(self) -> int:
        """How many connections are open through it."""
        return len(self._connections)

    async def cut(self) -> None:
        """Reset all connections and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            with suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def stall(self) -> None:
        """Let nothing through from now on, without closing anything."""
        self._flowing.clear()

    async def restore(self) -> None:
        """Accept and forward (again), at the same port."""
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, self.host, self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self._writers.add(writer)
        self.accepted += 1
        upstream: asyncio.StreamWriter | None = None
        try:
            back, upstream = await self._reach()
            self._writers.add(upstream)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, upstream, there=True), name="proxy.there")
                group.create_task(self._pump(back, writer, there=False), name="proxy.back")
        except (OSError, ExceptionGroup):
            # A side that fails ends the connection; the other side sees that, as without a proxy.
            writer.transport.abort()
        except asyncio.CancelledError:
            # cut() waits for this task; nobody else looks at its result.
            return
        finally:
            for end in (writer, upstream):
                if end is not None:
                    self._writers.discard(end)
                    end.close()
            self._connections.discard(task)

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the server."""
        return await asyncio.open_connection(*self._target)

    async def _see(self, chunk: bytes, *, there: bool) -> None:
        """Look at what is about to be passed on, `there` to the server or back; a chunk waits as long as this does."""

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, there: bool) -> None:
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_CHUNKS)

        async def read() -> None:
            while True:
                chunk = await reader.read(_CHUNK_BYTES)
                await queue.put((loop.time() + self.delay_s, chunk))
                if not chunk:
                    return

        async def write() -> None:
            while True:
                due, chunk = await queue.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                await self._flowing.wait()
                await self._see(chunk, there=there)
                if not chunk:
                    writer.write_eof()
                    return
                writer.write(chunk)
                await writer.drain()

        async with asyncio.TaskGroup() as group:
            group.create_task(read(), name="proxy.read")
            group.create_task(write(), name="proxy.write")
