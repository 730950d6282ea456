"""Keys of meters at rest: sealed by a master key that stands in a file, opened in memory by who has that file.

The file has a key a line, 64 hex digits each; the first one seals, those below still open what they sealed. The library
that does it is imported where there is something to seal or open: most services never have.
"""

import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from broker.errors import PermanentError

KEY_BYTES: Final = 32
KINDS: Final = ("encryption", "authentication", "password")
"""What may be known of a meter: encryption and authentication key of security suite 0, and the password of a client."""
_NONCE_BYTES: Final = 12
_PURPOSE: Final = b"wattline meter key 1\0"


class NotOpenedError(PermanentError):
    """A sealed key that no master key of ours opens, or that was moved or changed."""


@dataclass(frozen=True, slots=True, repr=False)
class MasterKeys:
    """The master keys, the one that seals first; they never show themselves."""

    keys: tuple[bytes, ...]

    def __repr__(self) -> str:
        return "MasterKeys(***)"

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file. Raises PermanentError that names it and the fix, and nothing of what it holds."""
        try:
            mode, text = path.stat().st_mode, path.read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise PermanentError(f"{path}: {reason}; make it by `wattline master-key make --file {path}`") from error
        # a credential of systemd's is shown with its access list's mask in the place of the group's right to read
        if stat.S_IMODE(mode) & 0o037:
            raise PermanentError(f"{path}: other accounts may read the master key; run `chmod 600 {path}`")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        try:
            keys = tuple(bytes.fromhex(line) for line in lines)
        except ValueError:
            keys = ()
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise PermanentError(f"{path}: no master key; give {2 * KEY_BYTES} hex digits a line, the newest first")
        return cls(keys)

    @property
    def newest(self) -> str:
        """The name of the key that seals."""
        return _name(self.keys[0])

    def seal(self, meter: str, values: Mapping[str, str]) -> bytes:
        """Seal what is known of a meter, by kind; only for the same meter can it be opened."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see above

        nonce = secrets.token_bytes(_NONCE_BYTES)
        text = json.dumps(dict(values)).encode()
        return nonce + AESGCM(self.keys[0]).encrypt(nonce, text, _PURPOSE + meter.encode())

    def open(self, meter: str, master: str, sealed: bytes) -> dict[str, str]:
        """What was sealed of a meter by the master key of this name. Raises NotOpenedError."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see above
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        key = next((one for one in self.keys if _name(one) == master), None)
        if key is None:
            raise NotOpenedError(f"the key of {meter} is sealed by master key {master}, which is not in the file")
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            found: dict[str, str] = json.loads(AESGCM(key).decrypt(nonce, text, _PURPOSE + meter.encode()))
        except (InvalidTag, ValueError) as error:
            raise NotOpenedError(f"the sealed key of {meter} was changed; set it again") from error
        return found

    def fingerprint(self, values: Mapping[str, str]) -> str:
        """By which the same keys are known again, by who has the master key alone: passwords may be easy to guess."""
        purpose = hmac.digest(self.keys[0], b"wattline fingerprint 1", "sha256")
        return hmac.digest(purpose, json.dumps(sorted(values.items())).encode(), "sha256")[:6].hex()

    def renewed(self) -> Self:
        """The same with another key that seals from now on."""
        return type(self)((secrets.token_bytes(KEY_BYTES), *self.keys))

    def alone(self) -> Self:
        """The newest of them without the others."""
        return type(self)(self.keys[:1])

    def write(self, path: Path) -> None:
        """Replace the file, readable by its owner alone, who stays who it was. Raises OSError."""
        growing = path.with_name(f".{path.name}.growing")
        growing.unlink(missing_ok=True)
        descriptor = os.open(growing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write("".join(f"{key.hex()}\n" for key in self.keys))
            file.flush()
            if os.geteuid() == 0:
                owner = path.stat() if path.exists() else path.parent.stat()
                os.chown(file.fileno(), owner.st_uid, owner.st_gid)
            os.fsync(file.fileno())
        growing.replace(path)


def new_master_keys() -> MasterKeys:
    """One new master key."""
    return MasterKeys((secrets.token_bytes(KEY_BYTES),))


def _name(key: bytes) -> str:
    return hashlib.sha256(b"wattline master key\0" + key).hexdigest()[:12]
