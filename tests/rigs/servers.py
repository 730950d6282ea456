"""What the fixtures of integration, fault and e2e tests hand out."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from broker.contract.topics import Topics
from broker.runtime.settings import BrokerAddress
from deploy.local.community import CommunityServer
from deploy.local.mosquitto import MosquittoServer
from deploy.local.postgres import PostgresServer
from store.servers import ServiceConnection


@dataclass(frozen=True)
class Broker:
    """A Mosquitto and a topic root of one test, with a user for each role; devices are let in one by one."""

    server: MosquittoServer
    topics: Topics = field(default_factory=Topics)

    @property
    def host(self) -> str:
        """Where it listens."""
        return self.server.host

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.port

    def address(self, user: str, port: int | None = None) -> BrokerAddress:
        """How a user reaches it, services by their certificates; `port` is a proxy's before the port for passwords."""
        if port is not None:
            return self.by_password(user).model_copy(update={"port": port})
        return self.server.address(user).model_copy(update={"root": self.topics.root})

    def by_password(self, user: str) -> BrokerAddress:
        """How a user reaches it with a password, without TLS."""
        return self.server.by_password(user).model_copy(update={"root": self.topics.root})

    def password(self, user: str) -> str:
        """The password of a role (`ingestor`, `gateway`, `engineer`, `monitor`) or of a device that was added."""
        return self.server.credentials[user]

    async def add_device(self, device: str) -> str:
        """Let one device in; returns its password."""
        return (await self.add_devices(device))[0]

    async def add_devices(self, *devices: str) -> list[str]:
        """Let devices in; returns their passwords. Tests play several sides of one, so it may have any client id."""
        words = {device: secrets.token_hex(8) for device in devices}
        await self.server.add_users(words, bound=False)
        return list(words.values())


class KeptConnections:
    """Connections for a test's own questions, kept for the next one: to open one takes the server 20 ms of processor.

    They are of the loop in which this was made; what asks in another opens its own.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._free: list[Any] = []

    @contextlib.asynccontextmanager
    async def taken(self, dsn: str) -> AsyncIterator[Any]:
        """One that nobody uses, as new; after an error it is not kept."""
        of_this_loop = asyncio.get_running_loop() is self._loop
        free = [one for one in self._free if not one.is_closed()] if of_this_loop else []
        opened = free.pop() if free else await asyncpg.connect(dsn, ssl=False, connection_class=ServiceConnection)
        if of_this_loop:
            self._free = free
        whole = False
        try:
            yield opened
            if of_this_loop and not opened.is_closed():
                # locks, settings and listeners of its session end, as they would with it
                await opened.reset(timeout=15)
                self._free.append(opened)
                whole = True
        finally:
            if not whole:
                opened.terminate()

    def close(self) -> None:
        """End all of them."""
        for one in self._free:
            one.terminate()


@dataclass(frozen=True)
class Database:
    """A database of one test on a server; whoever gives it `kept` closes that."""

    server: PostgresServer | CommunityServer
    name: str
    kept: KeptConnections | None = field(default=None, compare=False, repr=False)

    def dsn(self, user: str = "postgres") -> str:
        """Its address for this user."""
        return self.server.dsn(self.name, user)

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """The database as its owner sees it."""
        if self.kept is not None:
            async with self.kept.taken(self.dsn()) as opened:
                yield opened
            return
        opened = await asyncpg.connect(self.dsn(), connection_class=ServiceConnection)
        try:
            yield opened
        finally:
            await opened.close()
