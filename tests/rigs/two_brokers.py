"""Two brokers of one platform or of two, of which a device is told the second."""

import contextlib
import secrets
from collections.abc import AsyncIterator

from broker.mosquitto.config import TlsFiles
from deploy.local.mosquitto import MosquittoServer
from deploy.local.stack import LocalStack
from tests.rigs.agent import PlatformSide
from tests.rigs.servers import Broker


@contextlib.asynccontextmanager
async def beside(
    stack: LocalStack, first: Broker, device: str, *, tls: TlsFiles | None = None
) -> AsyncIterator[Broker]:
    """Another Mosquitto that lets the device in as the first does."""
    folder = stack.folder / f"mosquitto-{secrets.token_hex(4)}"
    server = MosquittoServer(stack.toolchain, folder, topics=first.topics, tls=tls)
    try:
        await server.start()
        await server.add_users({device: first.password(device)}, bound=False)
        yield Broker(server, first.topics)
    finally:
        await server.kill()


def lost(*platforms: PlatformSide) -> dict[str, list[int]]:
    """Numbers that came to none of them, by boot."""
    boots: dict[str, set[int]] = {}
    for platform in platforms:
        for boot, numbers in platform.ledger().items():
            boots.setdefault(boot, set()).update(numbers)
    gaps = {boot: sorted(set(range(1, max(numbers) + 1)) - numbers) for boot, numbers in boots.items()}
    return {boot: numbers for boot, numbers in gaps.items() if numbers}
