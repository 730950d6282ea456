"""Changes of parameters over the API, and devices that register to get them."""

import json
from typing import Any

from broker.contract.topics import Kind
from tests.rigs.gateway import Gateway, Watcher, entered, registration, send
from tests.rigs.servers import Broker
from tests.rigs.waiting import until

WHO = {"author": "eva", "reason": "trial"}


async def call(running: Gateway, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
    """A request with an author; status, document, headers."""
    query = None if method == "GET" else WHO
    url = f"{running.url}/api/v1{path}"
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with running.http.request(method, url, params=query, json=body, headers=sent) as response:
        return response.status, await response.json(content_type=None), response.headers


async def done(running: Gateway, method: str, path: str, body: Any = None) -> Any:
    status, document, _ = await call(running, method, path, body)
    assert status == 200, document
    return document


async def register(broker: Broker, seen: Watcher, *devices: str, knows: tuple[str, ...] = ()) -> None:
    """Let devices register, one after the other, and wait for their first configuration."""
    await broker.add_devices(*devices)
    for name in devices:
        document = json.loads(registration())
        document["software"]["parameters"] = list(knows)
        async with entered(broker, name) as device:
            await send(device, broker.topics, Kind.REGISTRATION, name, json.dumps(document).encode())
        await until(lambda name=name: seen.desired(name), f"{name} is configured")


def shown(seen: Watcher, device: str, parameter: str) -> Any:
    desired = seen.desired(device)
    return None if desired is None else getattr(desired.parameters, parameter)
