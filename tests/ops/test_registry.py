"""The registry for real: TLS, logins, push and pull by digest, what the reading side refuses, and collection."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.local.containers import ContainerTools
from deploy.local.process import free_port
from deploy.registry.client import Registry
from deploy.registry.files import Place, RegistryError, Side, add_user, remove_user
from deploy.registry.server import certify, collect, configure, running
from tests.rigs.containers import Podman
from tests.rigs.images import Built, build

_NAME = "wattline/agent"


@dataclass(frozen=True)
class Sides:
    """A running registry, as who may publish and who may read see it."""

    place: Place
    publish: Registry
    read: Registry


@pytest.fixture
async def sides(tools: ContainerTools, tmp_path: Path) -> AsyncIterator[Sides]:
    """Both sides with a user each."""
    place = Place(tmp_path / "registry")
    root = certify(place, tmp_path / "ca", ["localhost", "127.0.0.1"])
    addresses = {side: f"127.0.0.1:{free_port()}" for side in Side}
    configure(place, addresses)
    asked = {side: Registry(addresses[side], root, f"{side}er", add_user(place, side, f"{side}er")) for side in Side}
    async with running(tools.registry, place, (Side.READ, Side.PUBLISH)):
        yield Sides(place, asked[Side.PUBLISH], asked[Side.READ])


def _pushed(sides: Sides, tools: ContainerTools, built: Built, tag: str) -> str:
    digest = sides.publish.push(tools.skopeo, built.folder / "agent", built.report["version"], _NAME, tag)
    assert digest == built.report["images"]["agent"]["digest"], "the image is what was built"
    return digest


def _layers(built: Built) -> set[str]:
    """The blobs of the agent's layers."""
    each = built.report["images"]["agent"]["architectures"].values()
    return {layer["digest"].removeprefix("sha256:") for one in each for layer in one["layers"].values()}


def _login(registry: Registry, folder: Path) -> tuple[str, ...]:
    """Options by which podman trusts and is known."""
    certificates = folder / "certs"
    certificates.mkdir(exist_ok=True)
    (certificates / "ca.crt").write_bytes(registry.authority.read_bytes())
    basic = base64.b64encode(f"{registry.user}:{registry.password}".encode()).decode()
    login = folder / "login.json"
    login.write_text(json.dumps({"auths": {registry.address: {"auth": basic}}}))
    return f"--cert-dir={certificates}", f"--authfile={login}"


async def test_an_image_goes_through_the_registry_and_runs(
    sides: Sides, tools: ContainerTools, images: Built, podman: Podman, tmp_path: Path
) -> None:
    """Pushed on one side, pulled by digest on the other over TLS with a login, for both architectures, and started."""
    digest = await asyncio.to_thread(_pushed, sides, tools, images, "one")
    assert await asyncio.to_thread(sides.read.manifest, _NAME, digest) is not None
    reference = f"{sides.read.address}/{_NAME}@{digest}"
    options = _login(sides.read, tmp_path)
    image = await asyncio.to_thread(podman.pull, reference, *options)
    assert "wattline, version" in await asyncio.to_thread(podman.run, image, "--version")
    other = await asyncio.to_thread(podman.pull, reference, "--platform=linux/arm64", *options)
    assert other != image
    assert json.loads(podman.call("image", "inspect", other))[0]["Architecture"] == "arm64"


async def test_the_reading_side_takes_nothing_and_nobody_unknown(
    sides: Sides, tools: ContainerTools, images: Built, tmp_path: Path
) -> None:
    """A Pi's login publishes on neither side, nobody reads without one, and one that was taken away ends at once."""
    await asyncio.to_thread(_pushed, sides, tools, images, "one")
    digest = images.report["images"]["agent"]["digest"]
    layout, version = images.folder / "agent", images.report["version"]

    def refused(registry: Registry, work: Any) -> None:
        with pytest.raises(RegistryError):
            work(registry)

    def push(registry: Registry) -> None:
        registry.push(tools.skopeo, layout, version, _NAME, "two")

    thief = Registry(sides.publish.address, sides.read.authority, sides.read.user, sides.read.password)
    stranger = Registry(sides.read.address, sides.read.authority, "reader", "guessed")
    publisher = Registry(sides.read.address, sides.read.authority, sides.publish.user, sides.publish.password)
    for registry, work in (
        (sides.read, push), (thief, push),
        (sides.read, lambda one: one.remove(_NAME, digest)),
        (stranger, lambda one: one.manifest(_NAME, "one")),
        (publisher, lambda one: one.manifest(_NAME, "one")),
    ):  # fmt: skip
        await asyncio.to_thread(refused, registry, work)
    assert (await asyncio.to_thread(sides.read.manifest, _NAME, "one"))[0] == digest
    remove_user(sides.place, Side.READ, sides.read.user)
    await asyncio.to_thread(refused, sides.read, lambda one: one.manifest(_NAME, "one"))
    # another authority is not believed
    other = certify(Place(tmp_path / "other"), tmp_path / "other-ca", ["localhost"])
    fake = Registry(sides.publish.address, other, sides.publish.user, sides.publish.password)
    await asyncio.to_thread(refused, fake, lambda one: one.manifest(_NAME, "one"))


async def test_what_nobody_names_is_collected_and_the_rest_stays(
    tools: ContainerTools, images: Built, tmp_path: Path
) -> None:
    """Of two releases the older is removed: its own layers go, those of the newer are all there, Pis read meanwhile."""
    later = await asyncio.to_thread(build, tmp_path / "later", "--image", "agent", "--created", "2000000000")
    place = Place(tmp_path / "registry")
    root = certify(place, tmp_path / "ca", ["localhost", "127.0.0.1"])
    addresses = {side: f"127.0.0.1:{free_port()}" for side in Side}
    configure(place, addresses)
    asked = {side: Registry(addresses[side], root, "one", add_user(place, side, "one")) for side in Side}
    sides = Sides(place, asked[Side.PUBLISH], asked[Side.READ])
    async with running(tools.registry, place, (Side.READ,)):
        async with running(tools.registry, place, (Side.PUBLISH,)):
            old = await asyncio.to_thread(_pushed, sides, tools, images, "old")
            new = await asyncio.to_thread(_pushed, sides, tools, later, "new")
            gone = await asyncio.to_thread(sides.publish.remove, _NAME, old)
            assert len(gone) == 3, "the index and an image for each architecture"
            with pytest.raises(RegistryError, match="somebody may publish"):
                await asyncio.to_thread(collect, tools.registry, place)
        await asyncio.to_thread(collect, tools.registry, place)
        blobs = {file.parent.name for file in place.store.rglob("blobs/sha256/*/*/data")}
        kept, lost = (_layers(later), _layers(images))
        assert kept <= blobs
        assert lost - kept
        assert not (lost - kept) & blobs
        assert (await asyncio.to_thread(sides.read.manifest, _NAME, new))[0] == new
        with pytest.raises(RegistryError, match="404"):
            await asyncio.to_thread(sides.read.manifest, _NAME, old)
