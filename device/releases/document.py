"""A release as its publishers sign it: each image by digest for each architecture, and each wheel by its hash."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from broker.contract.software import ReleaseVersion

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Short = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$")]
Platform = Annotated[str, StringConstraints(pattern=r"^cp3[0-9]{1,2}-[a-z0-9_]{1,32}$")]
"""An interpreter and a machine, such as `cp313-aarch64`."""
WheelFile = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+!-]{0,200}\.whl$")]
"""A wheel's file name, which holds no folder."""
FOLDER: Final = "releases"
FILES: Final = "files"
"""The folder, beside those of the signed documents, of wheels by their SHA-256."""


class ReleasedBlob(BaseModel):
    """A part of an image by its content: a manifest, a configuration or a layer; `size` in octets."""

    model_config = ConfigDict(frozen=True)

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=1, le=256 * 1024 * 1024)]


class ReleasedImage(BaseModel):
    """One image: the index that names it, and the digest of each architecture below it.

    `blobs` has, for each architecture that is served as files, all that its image consists of, the manifest first.
    """

    model_config = ConfigDict(frozen=True)

    index: Digest
    architectures: dict[Short, Digest]
    blobs: dict[Short, Annotated[tuple[ReleasedBlob, ...], Field(min_length=3, max_length=100)]] = {}


class ReleasedWheel(BaseModel):
    """A wheel by its content; `size` in octets."""

    model_config = ConfigDict(frozen=True)

    file: WheelFile
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=1, le=256 * 1024 * 1024)]


class Release(BaseModel):
    """What a version is made of; fields that a later one adds are passed over.

    `environments` are for installations without containers: for each platform all the wheels that run there, our own
    and those that it needs.
    """

    model_config = ConfigDict(frozen=True)

    version: ReleaseVersion
    images: dict[Short, ReleasedImage] = {}
    wheel: ReleasedWheel | None = None
    environments: dict[Platform, Annotated[tuple[ReleasedWheel, ...], Field(min_length=1, max_length=100)]] = {}


def place_of(version: str) -> str:
    """Where a release's document stands among the signed files."""
    return f"{FOLDER}/{version}.json"
