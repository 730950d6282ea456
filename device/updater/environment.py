"""What a release consists of on this machine: the wheels of one environment, by their SHA-256."""

import platform
import sys
from typing import Annotated

from pydantic import Field

from broker.contract.messages import Message
from broker.contract.software import ReleaseVersion
from broker.errors import ContractError
from device.releases.document import Platform, Release, ReleasedWheel


class Environment(Message):
    """A release for one platform: all wheels of a virtual environment, ours and others'."""

    release: ReleaseVersion
    platform: Platform
    wheels: Annotated[tuple[ReleasedWheel, ...], Field(min_length=1, max_length=100)]

    @property
    def slot(self) -> str:
        """The name of the folder that it stands in: a release never changes."""
        return self.release

    @property
    def size(self) -> int:
        """Octets of all its files."""
        return sum(wheel.size for wheel in self.wheels)


def environment_of(release: Release, this: str) -> Environment:
    """A release's environment for this platform. Raises ContractError where it has none."""
    wheels = release.environments.get(this)
    if wheels is None:
        has = ", ".join(sorted(release.environments)) or "none"
        raise ContractError(
            f"{release.version} has no environment for {this}, but for: {has}",
            field="release", fix=f"publish one with `add --wheels {this}`",
        )  # fmt: skip
    return Environment(release=release.version, platform=this, wheels=wheels)


def this_platform() -> str:
    """What a release must have an environment for here."""
    machine = platform.machine()
    if sys.maxsize < 2**32:
        # a 32-bit system on a 64-bit kernel, as Raspberry Pi OS has it: the kernel's word is no help
        machine = {"aarch64": "armv7l", "x86_64": "i686"}.get(machine, machine)
    return f"cp{sys.version_info.major}{sys.version_info.minor}-{machine.lower()}"
