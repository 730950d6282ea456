"""An OCI image layout on disk (image-spec 1.1): blobs by digest, a manifest for each architecture, one index."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from deploy.images.layer import MEDIA_TYPE, Layer

CONFIG: Final = "application/vnd.oci.image.config.v1+json"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
REFERENCE: Final = "org.opencontainers.image.ref.name"


@dataclass(frozen=True, slots=True)
class Runtime:
    """How a container of the image starts; `user` by number, so that a host which starts none as root can tell."""

    user: str
    environment: Mapping[str, str]
    entrypoint: Sequence[str]
    command: Sequence[str]
    volumes: Sequence[str] = ()
    working_folder: str = "/"


def config(
    architecture: str, runtime: Runtime, layers: Sequence[Layer], labels: Mapping[str, str], created: datetime
) -> dict[str, Any]:
    """The image's config document (image-spec, config.md); keys in a fixed order, as its digest is the image's id."""
    at = created.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "created": at,
        "architecture": architecture,
        **({"variant": "v8"} if architecture == "arm64" else {}),
        "os": "linux",
        "config": {
            "User": runtime.user,
            "Env": [f"{name}={value}" for name, value in runtime.environment.items()],
            "Entrypoint": list(runtime.entrypoint),
            "Cmd": list(runtime.command),
            "Volumes": {place: {} for place in runtime.volumes},
            "WorkingDir": runtime.working_folder,
            "Labels": dict(sorted(labels.items())),
            "StopSignal": "SIGTERM",
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": at, "created_by": "make images", "comment": layer.name} for layer in layers],
    }


def manifest(config_blob: Mapping[str, Any], layers: Sequence[Layer], annotations: Mapping[str, str]) -> dict[str, Any]:
    """The manifest of one architecture (image-spec, manifest.md)."""
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": dict(config_blob),
        "layers": [
            {
                "mediaType": MEDIA_TYPE,
                "digest": layer.digest,
                "size": layer.size,
                "annotations": {"org.opencontainers.image.title": layer.name},
            }
            for layer in layers
        ],
        "annotations": dict(sorted(annotations.items())),
    }


class Layout:
    """A folder in the form of an OCI image layout, to be written once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._blobs = folder / "blobs" / "sha256"
        self._blobs.mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def add_layer(self, layer: Layer) -> None:
        """Take a layer's blob in."""
        shutil.copyfile(layer.file, self._blobs / layer.digest.removeprefix("sha256:"))

    def add(self, media_type: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Take a document in as a blob and return its descriptor."""
        data = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
        digest = hashlib.sha256(data).hexdigest()
        (self._blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def finish(self, reference: str, manifests: Sequence[Mapping[str, Any]], annotations: Mapping[str, str]) -> str:
        """Write the index of all architectures under this reference; returns the digest that names the image."""
        index = {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": list(manifests),
            "annotations": dict(sorted(annotations.items())),
        }
        descriptor = self.add(INDEX, index)
        top = {"schemaVersion": 2, "manifests": [{**descriptor, "annotations": {REFERENCE: reference}}]}
        (self.folder / "index.json").write_text(json.dumps(top, indent=2) + "\n")
        return str(descriptor["digest"])


@dataclass(frozen=True, slots=True)
class Stored:
    """An image of one architecture as it lies in a layout."""

    digest: str
    config: dict[str, Any]
    layers: tuple[dict[str, Any], ...]
    blobs: Path

    @property
    def transferred(self) -> int:
        """Bytes of all layers as a registry sends them."""
        return sum(int(layer["size"]) for layer in self.layers)

    def layer_file(self, layer: Mapping[str, Any]) -> Path:
        """Where a layer's blob is."""
        return self.blobs / str(layer["digest"]).removeprefix("sha256:")


def load(folder: Path, architecture: str) -> Stored:
    """Read one architecture's image from a layout. Raises ValueError where it has none."""
    blobs = folder / "blobs" / "sha256"

    def read(descriptor: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((blobs / str(descriptor["digest"]).removeprefix("sha256:")).read_bytes())
        return found

    (top,) = json.loads((folder / "index.json").read_text())["manifests"]
    for descriptor in read(top)["manifests"]:
        if descriptor["platform"]["architecture"] == architecture:
            document = read(descriptor)
            return Stored(str(descriptor["digest"]), read(document["config"]), tuple(document["layers"]), blobs)
    raise ValueError(f"{folder} has no image for {architecture}")
