"""Environments that are built from wheels alone, and links that lead to one of them at any time."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from broker.errors import ContractError
from device.releases.document import ReleasedBlob
from device.updater import images, slots
from device.updater.agent import RESTART_S
from device.updater.environment import Environment, this_platform
from device.updater.images import Images
from device.updater.settings import UpdaterSettings
from device.updater.slots import CURRENT, UPDATER, WHOLE, Slots
from device.updater.watchdog import STALL_S
from tests.rigs.wheels import stored, wheel_of


def environment_of(place: Slots, release: str, body: str = "print(RELEASE, sys.argv[1:])") -> Environment:
    wheel = stored(wheel_of(release, place.root, body), place.files)
    return Environment(release=release, platform=this_platform(), wheels=(wheel,))


@pytest.fixture
def place(tmp_path: Path) -> Slots:
    found = Slots(tmp_path / "opt")
    found.prepare()
    return found


def test_a_slot_is_an_environment_of_its_own_and_a_bad_one_is_found_out_before_it_runs(place: Slots) -> None:
    """Built without pip; half of one is built anew; what does not start is refused with what it said."""
    good = environment_of(place, "0.3.0")
    (place.root / "slots" / good.slot / "bin").mkdir(parents=True)
    assert not place.is_whole(good)
    place.build(good)
    assert place.is_whole(good)
    place.link(CURRENT, good.slot)
    assert place.described(CURRENT) == good
    done = subprocess.run([place.root / CURRENT / "bin/wattline", "device"], capture_output=True, check=True, text=True)
    assert done.stdout == "0.3.0 ['device']\n"
    site = next((place.root / CURRENT / "lib").glob("*/site-packages"))
    assert (site / "wattline_beside.py").exists(), "what a wheel holds for the libraries' folder"
    assert list((site / "__pycache__").glob("wattline_stub.*.pyc")), "the agent's account could not keep it"

    bad = environment_of(place, "0.4.0", "raise SystemExit('no module named x')")
    with pytest.raises(ContractError, match="wattline device --help ended with 1: no module named x"):
        place.build(bad)
    assert not place.is_whole(bad)

    place.link(UPDATER, good.slot)
    place.prune([good])
    assert [path.name for path in (place.root / "slots").iterdir()] == [good.slot]
    assert [path.name for path in place.files.iterdir()] == [good.wheels[0].sha256]


def test_each_part_of_a_slot_s_building_is_a_sign_of_life(tmp_path: Path) -> None:
    """The environment, each wheel, each try-out, and an image laid out, taken in and tried out."""
    signs: list[bool] = []
    podman, heard = tmp_path / "podman", tmp_path / "heard"
    podman.write_text(f'#!/bin/sh\necho "$@" >>{heard}\n')
    podman.chmod(0o755)
    place = Slots(tmp_path / "opt", Images((str(podman),)), lambda: signs.append(heard.exists()))
    place.prepare()
    manifest = json.dumps({"config": {"digest": f"sha256:{'a' * 64}"}}).encode()
    digest = hashlib.sha256(manifest).hexdigest()
    (place.files / digest).write_bytes(manifest)
    image = (ReleasedBlob(sha256=digest, size=len(manifest)),)
    place.build(environment_of(place, "0.3.0").model_copy(update={"image": image}))
    assert signs == [False] * 5 + [True] * 2, "venv, wheel, two try-outs and the layout before podman, then two calls"
    pulled, tried = heard.read_text().splitlines()
    assert pulled.startswith("pull ")
    assert "--timeout=" in tried, "a container that hangs is no child of who called"


def test_no_part_takes_longer_than_the_watchdog_waits() -> None:
    """Whatever is given up is given up before; podman that is given up is ended by systemd, one at a time."""
    assert max(slots.BUILD_S, slots.TRY_S, images.PULL_S, images.CALL_S, RESTART_S) < STALL_S
    words = UpdaterSettings.model_fields["podman"].default
    assert words[0] == "systemd-run"
    assert "--unit=wattline-podman" in words
    (limit,) = [word for word in words if word.startswith("--property=RuntimeMaxSec=")]
    assert images.CALL_S < float(limit.rpartition("=")[2]) <= images.PULL_S


def test_what_makes_no_environment_of_ours_is_refused(place: Slots) -> None:
    """No wheel at all, another version's, none of ours, one without our command: each says so, and is not whole."""
    good = environment_of(place, "0.3.0")
    (place.files / ("a" * 64)).write_bytes(b"<html>")
    bare = stored(wheel_of("0.5.0", place.root, command=""), place.files)
    cases = [
        (good.model_copy(update={"wheels": (good.wheels[0].model_copy(update={"sha256": "a" * 64}),)}), "is no wheel"),
        (good.model_copy(update={"release": "0.4.0"}), "it is 0.3.0, not 0.4.0"),
        (good.model_copy(update={"release": "0.5.0", "wheels": (bare,)}), "has no command"),
    ]
    for environment, why in cases:
        with pytest.raises(ContractError, match=why):
            place.build(environment)
        assert not place.is_whole(environment)


def test_what_runs_is_never_pruned(tmp_path: Path) -> None:
    """Whatever the memory says: a link's slot stays, its file with it only where a release is named."""
    place = Slots(tmp_path)
    place.prepare()
    for name in ("0.2.0", "0.3.0", "0.4.0"):
        (tmp_path / "slots" / name).mkdir()
    place.link(CURRENT, "0.2.0")
    place.link(UPDATER, "0.3.0")
    place.prune([])
    assert sorted(path.name for path in (tmp_path / "slots").iterdir()) == ["0.2.0", "0.3.0"]
    (tmp_path / "slots/0.2.0" / WHOLE).write_bytes(b"{")
    assert place.described(CURRENT) is None
