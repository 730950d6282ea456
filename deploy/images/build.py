"""Images out of their layers' folders: an OCI image layout for each, with both architectures under one name."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deploy.images.contents import OWNERS, Image
from deploy.images.layer import LEVEL, LIBRARY, Layer, compress, digest_of, pack
from deploy.images.oci import CONFIG, MANIFEST, Layout, config, manifest
from deploy.images.trees import Release, Tree, trees
from deploy.local.debian import Progress
from deploy.local.locks import file_lock
from deploy.local.settings import LocalSettings

REPORT: Final = "images.json"
"""What was built: digests and sizes, beside the layouts."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built, and where to."""

    images: Sequence[Image]
    architectures: Sequence[str]
    release: Release
    out: Path
    wheel: Path | None = None
    compress_anew: bool = False
    """Whether to leave compressed layers of earlier builds alone: it takes minutes, and proves that nothing differs."""


def build(order: Order, work: Path, settings: LocalSettings, progress: Progress) -> dict[str, Any]:
    """Build the images and return the report that lies beside them. Raises ProvisionError and BuildError.

    An image of an earlier build is replaced once the new one is whole.
    """
    packer = Packer(work / "packed" if order.compress_anew else settings.cache / "layers", work, progress)
    order.out.mkdir(parents=True, exist_ok=True)
    built: dict[str, list[Tree]] = {image.name: [] for image in order.images}
    for tree in trees(order.images, order.architectures, order.release, order.wheel, work, settings, progress):
        built[tree.image.name].append(tree)
    report: dict[str, Any] = {"version": order.release.version, "revision": order.release.revision, "images": {}}
    for image in order.images:
        report["images"][image.name] = _write(image, built[image.name], order, work, packer)
        progress(f"built {order.out / image.name}")
    (order.out / REPORT).write_text(json.dumps(report, indent=2) + "\n")
    return report


def labels(image: Image, release: Release) -> dict[str, str]:
    """What the image says of itself, by the keys of image-spec (annotations.md)."""
    prefix = "org.opencontainers.image"
    return {
        f"{prefix}.title": f"wattline-{image.name}",
        f"{prefix}.description": image.title,
        f"{prefix}.version": release.version,
        f"{prefix}.revision": release.revision,
        f"{prefix}.created": release.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        f"{prefix}.licenses": "Apache-2.0",
        f"{prefix}.vendor": "The Wattline authors",
    }


class Packer:
    """Packs folders into layers; what was compressed before lies in a folder by the digest of its content."""

    def __init__(self, kept: Path, work: Path, progress: Progress) -> None:
        self._kept, self._work, self._progress = kept, work, progress

    def pack(self, name: str, folder: Path, level: int = LEVEL) -> Layer:
        """A layer of this folder."""
        tar = self._work / "layer.tar"
        diff_id = pack(folder, tar, OWNERS)
        self._kept.mkdir(parents=True, exist_ok=True)
        file = self._kept / f"{diff_id.removeprefix('sha256:')}-{LIBRARY}-{level}"
        with file_lock(file.with_name(f"{file.name}.lock"), lambda: self._progress(f"waiting for another's {name}")):
            if not file.exists():
                self._progress(f"compressing {name} ({tar.stat().st_size / 1e6:.1f} MB)")
                growing = file.with_name(f"{file.name}.growing")
                compress(name, tar, diff_id, growing, level)
                growing.rename(file)
        return Layer(name, file, digest_of(file), file.stat().st_size, diff_id)


def _write(image: Image, built: Sequence[Tree], order: Order, work: Path, packer: Packer) -> dict[str, Any]:
    growing = work / f"{image.name}-layout"
    layout, noted = Layout(growing), labels(image, order.release)
    manifests, report = [], {}
    for tree in built:
        levels = {"dependencies": image.dependencies_level}
        layers = [packer.pack(name, folder, levels.get(name, LEVEL)) for name, folder in tree.layers.items()]
        for layer in layers:
            layout.add_layer(layer)
        document = config(tree.architecture, image.runtime, layers, noted, order.release.created)
        described = layout.add(MANIFEST, manifest(layout.add(CONFIG, document), layers, noted))
        platform = {key: document[key] for key in ("architecture", "os", "variant") if key in document}
        manifests.append({**described, "platform": platform})
        report[tree.architecture] = {
            "digest": described["digest"],
            "bytes": sum(layer.size for layer in layers),
            "layers": {layer.name: {"digest": layer.digest, "bytes": layer.size} for layer in layers},
        }
        (order.out / f"{image.name}-{tree.architecture}.cdx.json").write_text(tree.bill)
    digest = layout.finish(order.release.version, manifests, noted)
    final = order.out / image.name
    shutil.rmtree(final, ignore_errors=True)
    shutil.move(growing, final)
    return {"digest": digest, "architectures": report}


def moment(epoch_s: int) -> datetime:
    """A time of SOURCE_DATE_EPOCH."""
    return datetime.fromtimestamp(epoch_s, UTC)
