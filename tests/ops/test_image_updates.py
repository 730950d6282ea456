"""Updates of a Pi whose agent runs in a container, with everything real: images are tried, and gone back from."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from device.updater.images import named
from tests.rigs.containers import Podman
from tests.rigs.images import Built
from tests.rigs.ops_report import record
from tests.rigs.pi_images import as_version, machine_with, publish
from tests.rigs.pi_releases import CRASHES, DEAF
from tests.rigs.pi_releases import as_version as wheel_as_version
from tests.rigs.servers import Broker, Database
from tests.rigs.software_updates import Ground, Publishing, ground
from tests.rigs.waiting import until

RELEASES = {"0.2.0": None, "0.3.0": None, "0.4.0": None, "0.4.1": CRASHES, "0.4.2": DEAF}


@pytest.fixture
async def all_(
    images: Built, podman: Podman, broker: Broker, database: Database, tmp_path: Path
) -> AsyncIterator[Ground]:
    """A Pi on 0.2.0, and the next releases, each of an image and of wheels."""
    publishing = Publishing.begun(tmp_path / "publishing")
    for version, faults in RELEASES.items():
        layout = as_version(images.folder / "agent", version, publishing.folder, faults)
        wheel = wheel_as_version(publishing.wheel, version, publishing.folder)
        publish(publishing.publisher, layout, wheel, publishing.others)
    async with ground(broker, database, publishing, tmp_path, machine_with(podman)) as made:
        yield made


def slot(all_: Ground, name: str) -> Path:
    return all_.pi.root / "slots" / name


async def test_images_are_tried_kept_and_gone_back_from(all_: Ground) -> None:
    """By what the agent in the container does; only what is new is fetched, the one before stays, older ones go."""
    first = named(slot(all_, "0.2.0"))
    for version, why in (("0.4.1", "the agent does not answer"), ("0.4.2", "it takes no readings")):
        undone = await all_.told(await all_.desire(version), "rolled_back", timeout_s=240)
        assert (undone.running, all_.pi.current) == ("0.2.0", "0.2.0")
        assert why in undone.reasons[0].reason
        await all_.reads("0.2.0")
    kept = await all_.told(await all_.desire("0.3.0"), "confirmed", timeout_s=240)
    await all_.reads("0.3.0")
    # its own wheel, and the topmost layer of its image with manifest and configuration
    assert kept.octets < 4_000_000
    await all_.told(await all_.desire("0.4.0"), "confirmed", timeout_s=240)
    await all_.reads("0.4.0")
    messages = await all_.whole()

    async def tidy() -> bool:
        held = set(all_.pi.podman.call("images", "--quiet", "--no-trunc", "--all").split())  # type: ignore[attr-defined]
        kept = {f"sha256:{named(slot(all_, name))}" for name in ("0.3.0", "0.4.0")}
        return kept <= held and f"sha256:{first}" not in held and all_.pi.slots() == ["0.3.0", "0.4.0"]

    await until(tidy, what="the image of two releases ago is gone, those of the last two are there", timeout_s=60)
    record("update_image", bytes=kept.octets, seconds=kept.seconds, lost=0, messages=messages)


async def test_an_updater_that_is_killed_goes_on_with_an_image(all_: Ground) -> None:
    """With -9 while it fetches, has the image taken in, and tries it."""
    version = await all_.desire("0.3.0")
    image = slot(all_, "0.3.0") / "image.env"
    steps = (
        lambda: any(one.state == "fetching" for one in all_.reports(version)),
        image.exists,
        lambda: any(one.state == "trial" for one in all_.reports(version)),
    )
    for step in steps:
        await until(step, timeout_s=240)
        starts = all_.pi.updater.starts
        all_.pi.updater.kill()
        await until(lambda starts=starts: all_.pi.updater.starts > starts, "the updater is started again")
    await all_.told(version, "confirmed", timeout_s=240)
    await all_.reads("0.3.0")
    await all_.whole()
    assert not (all_.pi.root / "image.new").exists(), "nothing half is left"


async def test_what_is_no_image_of_the_publishers_is_never_taken_in(all_: Ground) -> None:
    """Other bytes in place of a layer: it waits, the old one runs on, and it goes on once they are right."""
    public = all_.wire.folder
    blob = next(
        path for path in (public / "files").iterdir()
        if path.read_bytes() == (all_.publishing.folder / "0.3.0.zst").read_bytes()
    )  # fmt: skip
    shutil.copyfile(blob, all_.publishing.folder / "right")
    blob.write_bytes(b"x" * blob.stat().st_size)
    version = await all_.desire("0.3.0")
    await until(
        lambda: any("another content" in why.reason for one in all_.reports(version) for why in one.reasons),
        timeout_s=120,
    )
    assert all_.pi.current == "0.2.0"
    shutil.copyfile(all_.publishing.folder / "right", blob)
    await all_.told(version, "confirmed", timeout_s=240)
    await all_.reads("0.3.0")
