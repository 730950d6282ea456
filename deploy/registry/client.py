"""What is asked of a registry: images pushed and removed, by its API (distribution-spec 1.1) and by skopeo."""

import base64
import json
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.images.oci import INDEX, MANIFEST
from deploy.registry.files import RegistryError

_ACCEPT = f"{INDEX}, {MANIFEST}"
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Registry:
    """Where a registry is, by whom it is trusted, and who asks."""

    address: str
    """Host and port."""
    authority: Path
    user: str
    password: str

    def manifest(self, name: str, reference: str) -> tuple[str, dict[str, Any]]:
        """A manifest or index by tag or digest: its digest and the document. Raises RegistryError."""
        headers, body = self._asked("GET", f"/v2/{name}/manifests/{reference}")
        return headers["Docker-Content-Digest"], json.loads(body)

    def tags(self, name: str) -> list[str]:
        """The tags of an image. Raises RegistryError."""
        return list(json.loads(self._asked("GET", f"/v2/{name}/tags/list")[1])["tags"] or ())

    def remove(self, name: str, digest: str) -> list[str]:
        """Remove an image of all architectures by its digest; what another image still names stays.

        Returns the digests that are gone. Their layers go when the registry collects. Raises RegistryError.
        """
        _, index = self.manifest(name, digest)
        kept = {digest}
        for tag in self.tags(name):
            other, document = self.manifest(name, tag)
            if other != digest:
                kept |= {one["digest"] for one in document.get("manifests", ())}
        gone = [digest, *(one["digest"] for one in index.get("manifests", ()) if one["digest"] not in kept)]
        for one in gone:
            self._asked("DELETE", f"/v2/{name}/manifests/{one}")
        return gone

    def push(self, skopeo: Path, layout: Path, reference: str, name: str, tag: str) -> str:
        """Push all architectures of an OCI layout; returns the digest that the registry has. Raises RegistryError."""
        with tempfile.TemporaryDirectory() as folder:
            # in a file: arguments are seen by all
            login = Path(folder) / "login.json"
            login.touch(mode=0o600)
            login.write_text(json.dumps({"auths": {self.address: {"auth": self._basic()}}}))
            authorities = Path(folder) / "authorities"
            authorities.mkdir()
            (authorities / "ca.crt").write_bytes(self.authority.read_bytes())
            words = [
                str(skopeo), "copy", "--quiet", "--all", "--insecure-policy", "--preserve-digests",
                f"--dest-authfile={login}", f"--dest-cert-dir={authorities}",
                f"oci:{layout}:{reference}", f"docker://{self.address}/{name}:{tag}",
            ]  # fmt: skip
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=1800)
        if done.returncode:
            raise RegistryError(f"{name}:{tag} could not be pushed to {self.address}: {done.stderr.strip()[-500:]}")
        return self.manifest(name, tag)[0]

    def _basic(self) -> str:
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    def _asked(self, method: str, path: str) -> tuple[Any, bytes]:
        request = urllib.request.Request(
            f"https://{self.address}{path}",
            method=method,
            headers={"Accept": _ACCEPT, "Authorization": f"Basic {self._basic()}"},
        )
        trust = ssl.create_default_context(cafile=str(self.authority))
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S, context=trust) as answer:  # noqa: S310
                return answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            told = error.read()[:300].decode(errors="replace")
            raise RegistryError(f"{self.address} answers {method} {path} with {error.code}: {told}") from error
        except OSError as error:
            raise RegistryError(f"{self.address} can't be asked: {error}") from error
