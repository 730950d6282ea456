"""What tests of images need of this machine: podman with runc, skopeo, an emulator of arm64, and a registry."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.debian import ProvisionError, Recipe, host_packages, loader_of, provide_root
from deploy.local.settings import LocalSettings
from deploy.local.toolchain import Progress, ToolchainError

_HOST: Final = {
    "podman": Path("/usr/bin/podman"),
    # crun refuses hosts whose cgroups are of both versions
    "runc": Path("/usr/sbin/runc"),
    "skopeo": Path("/usr/bin/skopeo"),
    "qemu-user-static": Path("/usr/bin/qemu-aarch64-static"),
}
_REGISTRY: Final = Path("usr/bin/docker-registry")


@dataclass(frozen=True, slots=True)
class ContainerTools:
    """Programs that were found or installed."""

    podman: Path
    runc: Path
    skopeo: Path
    emulator: Path
    registry: tuple[str, ...]
    """The words that start the distribution registry: its own loader first."""


def provide_containers(settings: LocalSettings, progress: Progress) -> ContainerTools:
    """Install the tools on this machine, and the registry in a root of its own, where they are missing.

    Raises ToolchainError with one sentence on what to install.
    """
    try:
        host_packages(_HOST, progress)
        return ContainerTools(
            _HOST["podman"], _HOST["runc"], _HOST["skopeo"], _HOST["qemu-user-static"],
            provide_registry(settings, progress),
        )  # fmt: skip
    except ProvisionError as error:
        raise ToolchainError(
            f"images are run by {', '.join(_HOST)} and kept by docker-registry ({error}): install them"
        ) from error


def provide_registry(settings: LocalSettings, progress: Progress) -> tuple[str, ...]:
    """The words that start Debian's docker-registry. Raises ProvisionError."""
    root = provide_root(REGISTRY, settings, progress)
    loader = loader_of(root)
    return str(loader), "--library-path", str(loader.parent), str(root / _REGISTRY)


def _check(growing: Path, _: Path) -> None:
    if not (growing / _REGISTRY).is_file():
        raise ProvisionError(f"Debian's docker-registry has no {_REGISTRY} any more")


REGISTRY: Final = Recipe(
    name="registry",
    packages=("docker-registry", "libc6"),
    unused=(
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
        "var/lib/apt",
        "var/cache/apt",
        "var/log",
        "dev",
        "tmp",
    ),
    contents="the distribution registry (about 10 MB)",
    prepare=_check,
)
