"""A stream that nobody reads or changes without its passphrase: AES-256-GCM by parts, its key made by scrypt.

Each part's nonce is its number and whether it is the last, so that parts can be neither left out, moved nor cut off
(the construction STREAM, as age has it). The key is used for one file alone, as its salt is.
"""

import io
import os
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from deploy.backup.faults import ArchiveError

MAGIC: Final = b"WATTLINE SEALED 1\n"
PART_BYTES: Final = 1 << 20
_SALT_BYTES: Final = 16
_TAG_BYTES: Final = 16
_COST: Final = 1 << 17
"""Of scrypt, with r = 8: 128 MiB of memory for each guess."""


class SealedWriter(io.RawIOBase):
    """Seals what is written to it into another stream, which stays open; only `finish` makes it whole."""

    def __init__(self, to: BinaryIO, passphrase: bytes) -> None:
        self._to = to
        self._header = MAGIC + os.urandom(_SALT_BYTES)
        self._cipher = _cipher(passphrase, self._header)
        self._waiting = bytearray()
        self._number = 0
        to.write(self._header)

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        """Take bytes; parts are sealed as soon as it is known that others follow."""
        self._waiting += data
        while len(self._waiting) > PART_BYTES:
            self._seal(bytes(self._waiting[:PART_BYTES]), last=False)
            del self._waiting[:PART_BYTES]
        return len(data)

    def finish(self) -> None:
        """Seal the last part."""
        self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _seal(self, part: bytes, *, last: bool) -> None:
        self._to.write(self._cipher.encrypt(_nonce(self._number, last=last), part, self._header))
        self._number += 1


class SealedReader(io.RawIOBase):
    """Reads what was sealed. Raises ArchiveError where the passphrase is another one or anything was changed."""

    def __init__(self, source: BinaryIO, passphrase: bytes) -> None:
        self._source = source
        self._header = source.read(len(MAGIC) + _SALT_BYTES)
        if len(self._header) < len(MAGIC) + _SALT_BYTES or not self._header.startswith(MAGIC):
            raise ArchiveError("the backup's first bytes are damaged")
        self._cipher = _cipher(passphrase, self._header)
        self._next = source.read(PART_BYTES + _TAG_BYTES)
        self._number = 0
        self._opened = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer; 0 at the end."""
        while not self._opened and not self._ended:
            self._open()
        size = min(len(buffer), len(self._opened))
        buffer[:size] = self._opened[:size]
        self._opened = self._opened[size:]
        return size

    def _open(self) -> None:
        part, self._next = self._next, self._source.read(PART_BYTES + _TAG_BYTES)
        self._ended = not self._next
        try:
            self._opened = memoryview(self._cipher.decrypt(_nonce(self._number, last=self._ended), part, self._header))
        except InvalidTag as error:
            if self._number == 0:
                raise ArchiveError("the passphrase is another one, or the backup is damaged") from error
            raise ArchiveError(f"the backup is damaged or cut off behind byte {self._number * PART_BYTES}") from error
        self._number += 1


def is_sealed(source: BinaryIO) -> bool:
    """Whether a stream that can be sought begins like one of these; it stays at its beginning."""
    found = source.read(len(MAGIC)) == MAGIC
    source.seek(0)
    return found


def _cipher(passphrase: bytes, header: bytes) -> AESGCM:
    return AESGCM(Scrypt(salt=header[len(MAGIC) :], length=32, n=_COST, r=8, p=1).derive(passphrase))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
