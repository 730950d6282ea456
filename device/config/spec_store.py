"""The specs that this device needs: from retained topics, digest checked, on disk for a boot without broker."""

import hashlib
import json
from pathlib import Path
from typing import Final

import structlog

from broker.contract.messages import SpecMessage
from broker.errors import ContractError
from device.files import write_atomically
from meters.decoding.newer import spec_from_newer
from meters.specs.spec import Spec, digest

log = structlog.get_logger()

KEPT_MAX: Final = 64
"""Spec documents kept on disk; the least recently written beyond it are deleted."""


class SpecStore:
    """Spec documents by reference (`name@version`), in memory once used, on disk for the next boot."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._specs: dict[str, Spec] = {}
        self._missing: set[str] = set()

    def get(self, ref: str) -> Spec | None:
        """A spec that is known, else None."""
        spec = self._specs.get(ref)
        if spec is None and ref not in self._missing:
            spec = self._read(ref)
            if spec is None:
                self._missing.add(ref)
            else:
                self._specs[ref] = spec
        return spec

    def take(self, spec: str, version: int, payload: bytes) -> str:
        """Keep a received spec; returns its reference. `spec` and `version` are those of the topic.

        Raises ContractError where document, digest and topic don't fit one another.
        """
        message = SpecMessage.parse(payload)
        found = _verified(message, spec, version)
        if self._specs.get(found.ref) != found:
            self._specs[found.ref] = found
            self._missing.discard(found.ref)
            self._write(found.ref, payload)
        return found.ref

    def keep_only(self, refs: frozenset[str]) -> None:
        """Free the memory of specs that no meter uses any more; the disk keeps KEPT_MAX."""
        self._specs = {ref: spec for ref, spec in self._specs.items() if ref in refs}

    def _path(self, ref: str) -> Path:
        return self._folder / f"{ref}.json"

    def _read(self, ref: str) -> Spec | None:
        name, _, version = ref.partition("@")
        try:
            return _verified(SpecMessage.parse(self._path(ref).read_bytes()), name, int(version))
        except FileNotFoundError:
            return None
        except (OSError, ContractError, ValueError) as error:
            log.warning("spec_unreadable", spec=ref, error=str(error))
            return None

    def _write(self, ref: str, payload: bytes) -> None:
        try:
            write_atomically(self._path(ref), payload)
            kept = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in kept[KEPT_MAX:]:
                path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("spec_not_saved", spec=ref, error=str(error))


def _verified(message: SpecMessage, name: str, version: int) -> Spec:
    if (message.spec, message.version) != (name, version):
        raise ContractError(f"{message.spec}@{message.version} on the topic of {name}@{version}", field="spec")
    spec, left_out = spec_from_newer(message.document, origin=f"{name}@{version}")
    if left_out:
        log.warning("spec_partly_known", spec=spec.ref, left_out=list(left_out[:16]), fix="update the agent")
    if (spec.name, spec.version) != (name, version):
        raise ContractError(f"the document is {spec.ref}", field="document", fix=f"publish it as {spec.ref}")
    if message.sha256 not in (digest(spec), _raw_digest(message)):
        raise ContractError("does not fit the document", field="sha256", fix="publish the document's own digest")
    return spec


def _raw_digest(message: SpecMessage) -> str:
    """The digest of the document as it came: a newer platform may know fields that this agent's model lacks."""
    content = json.dumps(message.document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()
