"""What a release consists of on this machine: the wheels of one environment, by their SHA-256."""

import platform
import sys
from typing import Annotated, Final

from pydantic import Field

from broker.contract.messages import Message
from broker.contract.software import ReleaseVersion
from broker.errors import ContractError
from device.releases.document import Platform, Release, ReleasedBlob, ReleasedWheel

ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
"""Of images, by the machine's name."""
Blobs = Annotated[tuple[ReleasedBlob, ...], Field(min_length=3, max_length=100)]


class Environment(Message):
    """A release for one platform: all wheels of a virtual environment, ours and others'.

    Where the agent runs in a container, `image` has the parts of its image, the manifest first; the updater is of the
    wheels all the same.
    """

    release: ReleaseVersion
    platform: Platform
    wheels: Annotated[tuple[ReleasedWheel, ...], Field(min_length=1, max_length=100)]
    image: Blobs | None = None

    @property
    def slot(self) -> str:
        """The name of the folder that it stands in: a release never changes."""
        return self.release

    @property
    def files(self) -> dict[str, int]:
        """All its files by their SHA-256, with their octets."""
        wheels = {one.sha256: one.size for one in self.wheels}
        return wheels | {one.sha256: one.size for one in self.image or ()}

    @property
    def size(self) -> int:
        """Octets of all its files."""
        return sum(self.files.values())


def environment_of(release: Release, this: str, image: str = "") -> Environment:
    """A release's environment for this platform, with an image where one is named.

    Raises ContractError where it has none.
    """
    wheels = release.environments.get(this)
    if wheels is None:
        has = ", ".join(sorted(release.environments)) or "none"
        raise ContractError(
            f"{release.version} has no environment for {this}, but for: {has}",
            field="release", fix=f"publish one with `add --wheels {this}`",
        )  # fmt: skip
    return Environment(
        release=release.version, platform=this, wheels=wheels, image=_image_of(release, this, image) if image else None
    )


def _image_of(release: Release, this: str, name: str) -> Blobs:
    machine = this.partition("-")[2]
    architecture = ARCHITECTURES.get(machine, machine)
    found = release.images.get(name)
    blobs = found.blobs.get(architecture) if found is not None else None
    if found is None or blobs is None:
        raise ContractError(
            f"{release.version} has no files of an image {name} for {architecture}",
            field="release", fix="publish it with `add --images`",
        )  # fmt: skip
    if found.architectures.get(architecture) != f"sha256:{blobs[0].sha256}":
        raise ContractError(f"{release.version}: the first file of {name} is not its manifest", field="release")
    return blobs


def this_platform() -> str:
    """What a release must have an environment for here."""
    machine = platform.machine()
    if sys.maxsize < 2**32:
        # a 32-bit system on a 64-bit kernel, as Raspberry Pi OS has it: the kernel's word is no help
        machine = {"aarch64": "armv7l", "x86_64": "i686"}.get(machine, machine)
    return f"cp{sys.version_info.major}{sys.version_info.minor}-{machine.lower()}"
