"""The images started for real against a real broker and database: from a meter's line to a stored reading."""

import contextlib
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.process import free_port
from device.simulator import SimulatedP1Meter
from tests.rigs.containers import Container, Podman
from tests.rigs.images import Built
from tests.rigs.servers import Broker
from tests.rigs.waiting import until

_EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
_METER = "/dev/ttyMETER"
_EMULATED = "/qemu-aarch64"
_IMPORT_ALL = """
import importlib, os, pkgutil
for room in ("broker", "device", "meters"):
    for module in pkgutil.walk_packages(importlib.import_module(room).__path__, f"{room}."):
        importlib.import_module(module.name)
for place in ("/x", "/usr/x", "/etc/x"):
    try:
        open(place, "w")
    except OSError:
        pass
    else:
        raise SystemExit(f"{place} was written")
open("/var/lib/wattline/x", "w").close()
print(os.getuid(), os.getgid(), len(__import__("ssl").create_default_context().get_ca_certs()) > 100)
"""


@pytest.fixture(scope="session")
def agent(images: Built, podman: Podman) -> str:
    """The agent's image in podman."""
    return podman.pull(images.layout("agent"))


@pytest.fixture(scope="session")
def server(images: Built, podman: Podman) -> str:
    """The services' image in podman."""
    return podman.pull(images.layout("server"))


@pytest.fixture(scope="session")
def arm64(images: Built, podman: Podman) -> tuple[str, tuple[str, ...]]:
    """The agent's image for a Pi, and how it starts under an emulator of its processor."""
    image = podman.pull(images.layout("agent"), "--platform=linux/arm64")
    emulator = f"--volume={podman.tools.emulator}:{_EMULATED}:ro"
    return image, ("--platform=linux/arm64", emulator, f"--entrypoint={_EMULATED}")


def test_an_agent_s_container_has_what_it_needs_and_no_more(podman: Podman, agent: str) -> None:
    """Every module loads, its account is nobody's, its root can't be written, and it knows the world's authorities."""
    python = ("--entrypoint=/usr/bin/python3",)
    assert podman.run(agent, "-c", _IMPORT_ALL, options=python).split() == ["10001", "10001", "True"]
    assert "Usage: wattline device" in podman.run(agent, "device", "--help")
    for words in (["device", "list"], ["migrate"]):
        assert "install wattline[" in podman.run(agent, *words, status=1)


def test_an_agent_s_container_decodes_a_capture(podman: Podman, agent: str) -> None:
    """Bytes of a meter that a person has at hand on the Pi."""
    said = podman.run(agent, "decode", "/examples/sml.bin", options=(f"--volume={_EXAMPLES}:/examples:ro",))
    assert "2 telegrams: 2 decoded" in said


def test_the_services_image_has_its_commands_and_compose_s_shell(podman: Podman, server: str) -> None:
    """Each service says its settings, and the programs that compose's scripts call are there."""
    for command in ("migrate", "ingestor", "worker", "gateway", "ca", "grafana"):
        assert f"Usage: wattline {command}" in podman.run(server, command, "--help")
    shell = ("--entrypoint=sh",)
    said = podman.run(server, "-c", "cd /tmp && umask 077 && printf x >a && stat -c %u:%a a", options=shell)
    assert said == "10001:600\n"
    assert "/usr/bin/python" in podman.run(server, "-c", "command -v python", options=shell)


def _broker(broker: Broker, service: str, user: str) -> dict[str, str]:
    prefix = f"WATTLINE_{service}_BROKER__"
    facts = {"HOST": broker.host, "PORT": str(broker.port), "USERNAME": user, "PASSWORD": broker.password(user)}
    return {f"{prefix}{name}": value for name, value in (facts | {"ROOT": broker.topics.root}).items()}


@contextlib.asynccontextmanager
async def _platform(podman: Podman, image: str, broker: Broker, postgres: PostgresServer) -> AsyncIterator[None]:
    """Database brought up to date, ingestor and gateway, each a container of the services' image."""
    address = f"--env=WATTLINE_STORE_DSN={postgres.dsn('wattline')}"
    assert "up to date" in podman.run(image, "migrate", options=(address, "--env=WATTLINE_STORE_ZONE=UTC"))
    services = {}
    for name in ("ingestor", "gateway"):
        services[name] = {
            **_broker(broker, name.upper(), name),
            f"WATTLINE_{name.upper()}_DATABASE_DSN": postgres.dsn("wattline", f"wattline_{name}"),
            f"WATTLINE_{name.upper()}_HTTP_PORT": str(free_port()),
        }
    services["gateway"]["WATTLINE_GATEWAY_API_TOKEN"] = secrets.token_hex(32)
    async with (
        podman.running(image, "ingestor", environment=services["ingestor"]) as ingestor,
        podman.running(image, "gateway", environment=services["gateway"]) as gateway,
    ):
        for service in (ingestor, gateway):
            await service.until_said("http_listening")
        yield


@contextlib.asynccontextmanager
async def _reading(
    podman: Podman, broker: Broker, device: str, meter: SimulatedP1Meter, image: str, *words: str,
    options: tuple[str, ...] = (),
) -> AsyncIterator[Container]:  # fmt: skip
    """An agent's container at a meter's line, which it may use as one of dialout may."""
    await broker.add_device(device)
    place = Path(meter.port).resolve()  # noqa: ASYNC240 - a link in memory
    place.chmod(0o666)  # a pty has no group that the container could be given
    environment = {
        **_broker(broker, "DEVICE", device), "WATTLINE_DEVICE_DEVICE_ID": device, "WATTLINE_DEVICE_PORTS": _METER,
        "WATTLINE_DEVICE_HTTP_PORT": "0",
    }  # fmt: skip
    line = (f"--volume={place}:{_METER}", f"--volume=wattline-{secrets.token_hex(4)}:/var/lib/wattline")
    async with podman.running(image, *words, environment=environment, options=(*line, *options)) as container:
        yield container


async def _stored(postgres: PostgresServer, device: str) -> int:
    """How many readings of this device's messages the database holds."""
    connection = await asyncpg.connect(postgres.dsn("wattline"))
    try:
        query = "SELECT coalesce(sum(rows), 0) FROM message JOIN device ON id = device_id WHERE name = $1"
        return int(await connection.fetchval(query, device))
    finally:
        await connection.close()


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
async def test_containers_carry_a_reading_from_the_line_to_the_database(
    podman: Podman, agent: str, server: str, arm64: tuple[str, tuple[str, ...]], broker: Broker,
    own_postgres: PostgresServer, architecture: str,
) -> None:  # fmt: skip
    """Services and an agent of the images, the Pi's own under an emulator: a meter's readings are stored."""
    image, emulated = arm64
    starts = {
        "amd64": (agent, (), ()),
        "arm64": (image, ("/usr/bin/python3", "/usr/bin/wattline", "device"), emulated),
    }
    image, words, options = starts[architecture]
    async with (
        _platform(podman, server, broker, own_postgres),
        SimulatedP1Meter(serial="E0044007133156018", seed=1) as meter,
        _reading(podman, broker, "pi-1", meter, image, *words, options=options) as container,
    ):
        try:
            # an emulated agent takes minutes to start on a busy machine
            await until(lambda: _stored(own_postgres, "pi-1"), what="readings", timeout_s=600)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{container.said[-3000:]}") from None
    assert re.search(r'"event": ?"agent_stopped"', container.said)


def test_a_pi_s_image_decodes_under_an_emulator(podman: Podman, arm64: tuple[str, tuple[str, ...]]) -> None:
    """Bytes of a meter, by the Pi's own libraries."""
    image, emulated = arm64
    said = podman.run(
        image, "/usr/bin/python3", "/usr/bin/wattline", "decode", "/examples/p1.bin",
        options=(*emulated, f"--volume={_EXAMPLES}:/examples:ro"),
    )  # fmt: skip
    assert "decoded" in said
