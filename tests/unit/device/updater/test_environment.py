"""What a release consists of on this machine, with the agent's image and without."""

import pytest

from broker.errors import ContractError
from device.releases.document import Release, ReleasedBlob, ReleasedImage, ReleasedWheel
from device.updater.environment import Environment, environment_of

WHEEL = ReleasedWheel(file="wattline-0.3.0-py3-none-any.whl", sha256="0" * 64, size=10)
BLOBS = tuple(ReleasedBlob(sha256=letter * 64, size=size) for letter, size in (("a", 1), ("b", 2), ("c", 3)))


def release(**image: object) -> Release:
    found = {"index": f"sha256:{'f' * 64}", "architectures": {"arm64": f"sha256:{'a' * 64}"}, "blobs": {"arm64": BLOBS}}
    return Release(
        version="0.3.0", environments={"cp313-aarch64": (WHEEL,), "cp313-x86_64": (WHEEL,)},
        images={"agent": ReleasedImage(**(found | image))},  # type: ignore[arg-type]
    )  # fmt: skip


def test_an_image_is_of_this_machine_s_processor() -> None:
    """With all its files; without an image named the slot is what it ever was, to the octet."""
    made = environment_of(release(), "cp313-aarch64", "agent")
    assert made.image == BLOBS
    assert (made.size, len(made.files)) == (16, 4)
    assert Environment.parse(made.payload()) == made
    plain = environment_of(release(), "cp313-aarch64")
    assert b"image" not in plain.payload()
    assert plain.size == 10


@pytest.mark.parametrize(
    ("platform", "image", "changes", "said"),
    [
        ("cp313-x86_64", "agent", {}, "no files of an image agent for amd64"),
        ("cp313-aarch64", "other", {}, "no files of an image other for arm64"),
        ("cp313-aarch64", "agent", {"blobs": {}}, "publish it with `add --images`"),
        ("cp313-aarch64", "agent", {"architectures": {"arm64": f"sha256:{'e' * 64}"}}, "is not its manifest"),
    ],
)
def test_what_a_machine_can_t_start_is_refused(
    platform: str, image: str, changes: dict[str, object], said: str
) -> None:
    """Before anything of it is fetched."""
    with pytest.raises(ContractError, match=said):
        environment_of(release(**changes), platform, image)
