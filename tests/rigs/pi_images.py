"""Releases as images for a Pi with containers: the built image under several versions, also with faults, and its Pi."""

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.images.contents import PYTHON, SITE
from deploy.images.layer import MEDIA_TYPE, compress, pack, unpack
from deploy.images.oci import CONFIG, MANIFEST, Layout, load
from deploy.releases.images import AGENT, image_files
from deploy.releases.wheels import environments, published
from device.releases.document import Release, ReleasedImage
from tests.rigs.containers import Podman
from tests.rigs.pi_machine import PiMachine, Unit
from tests.rigs.release_server import NOW, Publisher

_AGENT = """#!/bin/sh
# as the quadlet starts it: whatever image the current slot names, and nothing that would have to be fetched
. {root}/current/image.env
{podman} rm --force --time=0 {name} >/dev/null 2>&1
exec {podman} run --rm --name={name} --pull=never --network=host --read-only --cap-drop=all \\
  --security-opt=no-new-privileges --ulimit=nofile=1024:1024 --ulimit=nproc=1024:1024 --stop-timeout=15 \\
  --env='WATTLINE_DEVICE_*' --volume={data}:/var/lib/wattline --volume={state}:{state}:ro --volume={port}:{meter} \\
  "$WATTLINE_IMAGE"
"""
_PODMAN = """#!/bin/sh
# podman as a host without systemd lets it run
case $1 in
    pull) shift; set -- pull --signature-policy={policy} "$@";;
    run) shift; set -- run --ulimit=nofile=1024:1024 --ulimit=nproc=1024:1024 "$@";;
esac
exec {podman} "$@"
"""
METER = "/dev/ttyMETER"


def as_version(layout: Path, version: str, folder: Path, faults: Mapping[str, str] | None = None) -> Path:
    """The image of this machine's processor as it would be of another version, and with these ends of modules."""
    stored = load(layout, "amd64")
    upper, site = folder / f"{version}-upper", Path(SITE)
    code = folder / f"{version}-code"
    code.mkdir()
    (ours,) = [one for one in stored.layers if one["annotations"]["org.opencontainers.image.title"] == "code"]
    unpack(stored.layer_file(ours), code)
    (described,) = (code / site).glob("wattline-*.dist-info")
    place = upper / site / f"wattline-{version}.dist-info"
    shutil.copytree(described, place)
    if place.name != described.name:
        # the folder's name is what an agent tells as its version
        (place.parent / f".wh.{described.name}").touch()
    text = (place / "METADATA").read_text()
    before = next(line for line in text.splitlines() if line.startswith("Version: "))
    (place / "METADATA").write_text(text.replace(f"\n{before}\n", f"\nVersion: {version}\n", 1))
    for name, end in (faults or {}).items():
        module = upper / site / name
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text((code / site / name).read_text() + end)
        # bytecode is believed without a look at its source
        cached = module.parent / "__pycache__" / f".wh.{module.stem}.cpython-{PYTHON.replace('.', '')}.pyc"
        cached.parent.mkdir(exist_ok=True)
        cached.touch()
    tar = folder / f"{version}.tar"
    layer = compress("version", tar, pack(upper, tar), folder / f"{version}.zst", level=1)
    made = Layout(folder / f"{version}-layout")
    for one in stored.layers:
        source = stored.layer_file(one)
        (made.folder / "blobs/sha256" / source.name).hardlink_to(source)
    made.add_layer(layer)
    config = json.loads(json.dumps(stored.config))
    config["rootfs"]["diff_ids"].append(layer.diff_id)
    config["history"].append({"created": config["created"], "created_by": "test", "comment": layer.name})
    layers = [*stored.layers, {"mediaType": MEDIA_TYPE, "digest": layer.digest, "size": layer.size}]
    described = made.add(
        MANIFEST,
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": made.add(CONFIG, config), "layers": layers},
    )
    (made.folder / "digest").write_text(described["digest"])
    return made.folder


def publish(publisher: Publisher, layout: Path, wheel: Path, others: Path) -> None:
    """Sign a release of this image and this wheel, and serve their files."""
    public, digest = publisher.folder / "public", (layout / "digest").read_text()
    report: dict[str, Any] = {"architectures": {"amd64": {"digest": digest}}}
    image = ReleasedImage(index=digest, architectures={"amd64": digest}, blobs=image_files(report, layout, public))
    release = Release(
        version=wheel.name.split("-")[1], images={AGENT: image}, wheel=published(wheel, public),
        environments=environments(wheel, [others], public),
    )  # fmt: skip
    publisher.repository.add(release, publisher.targets, publisher.online, NOW)


def machine_with(podman: Podman) -> type[PiMachine]:
    """A kind of Pi whose containers are of this podman."""
    return type("ContainerPi", (_ContainerPi,), {"podman": podman})


class _ContainerPi(PiMachine):
    """A Pi whose agent is started in a container, as the quadlet does it."""

    podman: Podman

    def __post_init__(self) -> None:
        super().__post_init__()
        podman = self.podman
        self.name = f"wattline-{secrets.token_hex(4)}"
        etc, data, state = self.folder / "etc", self.folder / "data", self.folder / "state"
        for folder in (data, state):
            folder.mkdir(exist_ok=True)
        os.chown(data, 10001, 10001)
        port = Path(self.port).resolve()
        port.chmod(0o666)  # a pty has no group that the container could be given
        policy = etc / "policy.json"
        policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        words = " ".join(podman.words())
        for name, text in (
            ("podman", _PODMAN.format(podman=words, policy=policy)),
            (
                "agent",
                _AGENT.format(
                    root=self.root, podman=words, name=self.name, data=data, state=state, port=port, meter=METER
                ),
            ),
        ):
            (etc / name).write_text(text)
            (etc / name).chmod(0o755)
        environment = self._agent_s() | {
            "WATTLINE_DEVICE_PORTS": METER,
            "WATTLINE_DEVICE_DATA_FOLDER": "/var/lib/wattline",
        }
        self.agent = Unit(etc / "agent", (), environment, self.folder / "agent.log")

    def updater_environment(self) -> dict[str, str]:
        """With an image in each slot."""
        return super().updater_environment() | {
            "WATTLINE_UPDATER_IMAGE": AGENT, "WATTLINE_UPDATER_PODMAN": str(self.folder / "etc/podman"),
        }  # fmt: skip

    def images(self) -> set[str]:
        """The images that podman holds."""
        return set(self.podman.call("images", "--quiet", "--no-trunc", "--all").split())
