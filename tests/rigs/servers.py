"""What the fixtures of integration, fault and e2e tests hand out."""

import secrets
from dataclasses import dataclass, field

from broker.contract.topics import Topics
from broker.runtime.settings import BrokerAddress
from deploy.local.community import CommunityServer
from deploy.local.mosquitto import MosquittoServer
from deploy.local.postgres import PostgresServer


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


@dataclass(frozen=True)
class Database:
    """A database of one test on a server."""

    server: PostgresServer | CommunityServer
    name: str

    def dsn(self, user: str = "postgres") -> str:
        """Its address for this user."""
        return self.server.dsn(self.name, user)
