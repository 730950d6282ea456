"""Images of the agent for Pis that run it in a container: out of files that are there and checked, into podman."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

import structlog

from broker.errors import ContractError, TransientError
from device.releases.document import ReleasedBlob

log = structlog.get_logger()

NAMED: Final = "image.env"
"""Stands in a slot: which image the agent's unit starts, as systemd reads it."""
VARIABLE: Final = "WATTLINE_IMAGE"
PULL_S: Final = 600.0
CALL_S: Final = 120.0
_DIGEST: Final = re.compile("sha256:[0-9a-f]{64}")
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"


class Images:
    """What podman of this machine holds for us; `podman` are the words by which it is called."""

    def __init__(self, podman: Sequence[str]) -> None:
        self._podman = tuple(podman)

    def put(self, image: Sequence[ReleasedBlob], files: Path, slot: Path, moved: Callable[[], None]) -> None:
        """Have podman take an image in, which it checks against its digests, try it out, and name it in the slot.

        The manifest comes first; `moved` is called between the steps. Raises ContractError where it does not run,
        TransientError where podman can't now.
        """
        name = _name_of(files / image[0].sha256)
        # first: a slot that does not come about knows what to let go of
        (slot / NAMED).write_text(f"{VARIABLE}={name}\n")
        layout = files.parent / "image.new"
        try:
            _lay_out(image, files, layout)
            moved()
            self._call(("pull", "--quiet", f"oci:{layout}"), PULL_S)
            moved()
        finally:
            shutil.rmtree(layout, ignore_errors=True)
        self._try_out(name)

    def remove(self, go: Collection[Path], stay: Collection[Path]) -> None:
        """Let go of the images of these slots, but not of one that another slot names; what can't go now can later."""
        kept = {named(slot) for slot in stay}
        for name in {named(slot) for slot in go} - kept - {""}:
            try:
                self._call(("rmi", "--ignore", name), CALL_S)
            except (ContractError, TransientError) as error:
                log.warning("image_not_removed", image=name, reason=str(error))

    def _try_out(self, name: str) -> None:
        """See that its agent loads at all, without a network and a disk. Raises ContractError."""
        # podman itself ends it: the container is not below the unit that called
        timeout = f"--timeout={CALL_S:.0f}"
        words = ("run", "--rm", timeout, "--pull=never", "--network=none", "--read-only", "--cap-drop=all", name)
        try:
            self._call((*words, "device", "--help"), CALL_S)
        except TransientError as error:
            raise ContractError(f"its image does not start: {error}", field="release") from error

    def _call(self, words: Sequence[str], within_s: float) -> str:
        """What podman says. Raises TransientError where it does not end well, or not in time."""
        what = f"podman {words[0]}"
        try:
            done = subprocess.run(
                [*self._podman, *words], capture_output=True, timeout=within_s, check=False, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired as error:
            raise TransientError(f"{what} did not end within {within_s:.0f} s") from error
        except OSError as error:
            raise TransientError(f"{self._podman[0]} can't be started: {error.strerror}; install podman") from error
        if done.returncode:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()[-500:]
            raise TransientError(f"{what} ended with {done.returncode}: {said}")
        return done.stdout.decode(errors="replace")


def named(slot: Path) -> str:
    """The image that a slot names, empty where it names none."""
    try:
        return (slot / NAMED).read_text().partition("=")[2].strip()
    except OSError:
        return ""


def _name_of(manifest: Path) -> str:
    """What podman calls an image: the digest of its configuration. Raises ContractError."""
    try:
        digest = str(json.loads(manifest.read_bytes())["config"]["digest"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ContractError(f"its image's first file is no manifest: {error!r}"[:300], field="release") from error
    if _DIGEST.fullmatch(digest) is None:
        raise ContractError(f"its image's manifest names {digest[:80]!r} as configuration", field="release")
    return digest.removeprefix("sha256:")


def _lay_out(image: Sequence[ReleasedBlob], files: Path, layout: Path) -> None:
    """Make an OCI image layout of these files, which stay where they are (image-spec 1.1, image-layout)."""
    # of an updater that was cut off
    shutil.rmtree(layout, ignore_errors=True)
    blobs = layout / "blobs/sha256"
    blobs.mkdir(parents=True)
    for blob in image:
        try:
            (blobs / blob.sha256).hardlink_to(files / blob.sha256)
        except OSError:
            # a file system without hard links
            shutil.copyfile(files / blob.sha256, blobs / blob.sha256)
    manifest = {"mediaType": _MANIFEST, "digest": f"sha256:{image[0].sha256}", "size": image[0].size}
    (layout / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
