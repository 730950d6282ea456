"""The images as they are: their sizes, what is in them, and that they are the same again."""

import json
from datetime import datetime
from pathlib import Path

from deploy.images.contents import ACCOUNT, OWNERS, STATE
from deploy.images.layer import pack, unpack
from deploy.images.oci import load
from deploy.images.trees import BILL
from tests.rigs.images import Built, build, call

AGENT_BYTES = 20_000_000
CODE_BYTES = {"agent": 2_000_000, "server": 3_000_000}


def test_an_agent_s_image_is_small_and_so_are_updates(images: Built) -> None:
    """As a registry sends them; an update of Wattline alone sends the code's layer, which is the last."""
    for architecture in ("amd64", "arm64"):
        agent, server = (load(images.folder / name, architecture) for name in ("agent", "server"))
        assert agent.transferred <= AGENT_BYTES
        for name, stored in (("agent", agent), ("server", server)):
            assert int(stored.layers[-1]["size"]) <= CODE_BYTES[name]


def test_both_images_stand_on_one_base(images: Built) -> None:
    """A host that has one of them fetches the base of the other not again."""
    for architecture in ("amd64", "arm64"):
        agent, server = (load(images.folder / name, architecture) for name in ("agent", "server"))
        assert agent.layers[0] == server.layers[0]


def test_an_image_is_the_same_when_built_again(images: Built, tmp_path: Path) -> None:
    """Fetched, laid and compressed anew in another folder: the digest that names the image is the same."""
    again = build(tmp_path / "again", "--image", "agent", "--compress-anew")
    assert again.report["images"]["agent"] == images.report["images"]["agent"]


def test_a_change_of_code_leaves_the_other_layers_alone(images: Built, tmp_path: Path) -> None:
    """Another release, built at another time: base and dependencies are those that a Pi has."""
    later = build(tmp_path / "later", "--image", "agent", "--architecture", "arm64", "--created", "2000000000")
    new, old = (one.report["images"]["agent"]["architectures"]["arm64"]["layers"] for one in (later, images))
    assert {name: new[name] == old[name] for name in new} == {"base": True, "dependencies": True, "code": False}


def test_a_dockerfile_copies_the_same_content(images: Built, tmp_path: Path) -> None:
    """The folders that it makes, packed: each layer's content is that of the image."""
    document = load(images.folder / "agent", "arm64").config
    created = int(datetime.fromisoformat(document["created"]).timestamp())
    words = ["folders", "--image", "agent", "--architecture", "arm64", "--created", str(created), str(tmp_path / "out")]
    call(words)
    names = [one["comment"] for one in document["history"]]
    assert names == ["base", "dependencies", "code"]
    found = [pack(tmp_path / "out" / name, tmp_path / "tar", OWNERS) for name in names]
    assert found == document["rootfs"]["diff_ids"]
    assert (tmp_path / "out" / "base" / STATE).stat().st_uid == ACCOUNT


def test_an_image_has_its_bill_and_nothing_written_at_run_time(images: Built, tmp_path: Path) -> None:
    """Its bill names Debian's and Python's packages; no shell, no gateway, no bytecode without its source."""
    stored = load(images.folder / "agent", "arm64")
    for layer in stored.layers:
        unpack(stored.layer_file(layer), tmp_path)
    bill = json.loads((tmp_path / BILL).read_text())
    names = {component["name"] for component in bill["components"]}
    assert {"libc6", "python3.13-minimal", "pydantic", "wattline"} <= names
    assert bill == json.loads((images.folder / "agent-arm64.cdx.json").read_text())
    site = tmp_path / "usr/local/lib/python3.13/dist-packages"
    assert not any(
        (site / gone).exists()
        for gone in ("gateway", "store", "deploy", "cli/client", "aiohttp", "pygments", "asyncpg")
    )
    assert not any((tmp_path / "usr/bin" / shell).exists() for shell in ("sh", "bash", "dash", "busybox", "openssl"))
    for compiled in tmp_path.rglob("*.pyc"):
        assert compiled.parent.with_name(compiled.name.split(".")[0] + ".py").is_file(), compiled
    assert (site / "device" / "__pycache__" / "agent.cpython-313.pyc").is_file()
