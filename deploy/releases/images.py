"""The parts of a release's image, put where Pis fetch them: a layer that two releases share stands there once."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from deploy.releases.keys import SigningError
from deploy.releases.wheels import put
from device.releases.document import ReleasedBlob

AGENT: Final = "agent"
"""The image that updaters know how to start; the services' is pulled by whoever runs the server."""


def image_files(image: Mapping[str, Any], layout: Path, public: Path) -> dict[str, tuple[ReleasedBlob, ...]]:
    """What each architecture's image consists of, out of an OCI image layout: manifest, configuration, layers.

    Raises SigningError where the layout lacks something.
    """
    return {key: _parts(one["digest"], layout, public) for key, one in image["architectures"].items()}


def _parts(digest: str, layout: Path, public: Path) -> tuple[ReleasedBlob, ...]:
    manifest = _blob(layout, digest)
    try:
        document = json.loads(manifest.read_bytes())
        digests = [document["config"]["digest"], *(layer["digest"] for layer in document["layers"])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SigningError(f"{manifest} is no manifest of an image: {error}; `make images` writes it") from error
    found = [manifest, *(_blob(layout, one) for one in digests)]
    parts = []
    for wanted, path in zip((digest, *digests), found, strict=True):
        if not path.is_file():
            raise SigningError(f"{layout} has no {wanted}: `make images` writes all of it")
        sha256, size = put(path, public)
        if wanted != f"sha256:{sha256}":
            raise SigningError(f"{path} has another content than its name says: build the images anew")
        parts.append(ReleasedBlob(sha256=sha256, size=size))
    return tuple(parts)


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/", 1)
