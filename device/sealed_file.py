"""Small JSON files that the agent trusts: each with a checksum and a second copy, so that damage is seen and healed."""

import contextlib
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from broker.errors import ContractError
from device.files import write_atomically
from device.formats import NewerFormatError, prove, set_aside

log = structlog.get_logger()

COPY: Final = ".copy"
_SEAL: Final = re.compile(rb'\{"crc32":"([0-9a-f]{8})"')


@dataclass(frozen=True, slots=True)
class Found:
    """What a file says; `damage` is what was found wrong with it or its copy, empty where both were whole."""

    data: bytes
    damage: str = ""


def sealed(document: bytes) -> bytes:
    """A JSON object with its CRC-32 as the first field, which readers of before pass over."""
    comma = b"" if document.startswith(b"{}") else b","
    return b'{"crc32":"%08x"%s%s' % (zlib.crc32(document), comma, document[1:])


def unsealed(data: bytes) -> bytes:
    """The object as it was given to `sealed`. Raises ContractError where a single bit is another one."""
    seal = _SEAL.match(data)
    if seal is None:
        raise ContractError("it has no checksum", field="crc32")
    rest = data[seal.end() :]
    document = b"{" + rest.removeprefix(b",")
    if zlib.crc32(document) != int(seal[1], 16) or data != sealed(document):
        raise ContractError("the checksum does not fit", field="crc32")
    return document


def write_twice(path: Path, document: bytes, *, mode: int = 0o666) -> None:
    """Replace a file durably, then its copy, which the disk gets in its own time. Raises OSError for the first."""
    data = sealed(document)
    write_atomically(path, data, mode=mode)
    with contextlib.suppress(OSError):
        write_atomically(_copy_of(path), data, durable=False, mode=mode)


def read_either(path: Path) -> Found:
    """The file, or its copy where it is damaged or gone; what is damaged is replaced by what is whole.

    A file of before checksums, which has no copy, is taken as it is. One of a newer agent is set aside with its copy.
    Raises FileNotFoundError where there is neither, NewerFormatError, ContractError where none is whole, OSError.
    """
    copy = _copy_of(path)
    first, second = _tried(path), _tried(copy)
    for one, place in ((first, path), (second, copy)):
        if isinstance(one, NewerFormatError):
            set_aside(place)
    if isinstance(first, NewerFormatError):
        raise first
    if isinstance(first, bytes):
        if isinstance(second, bytes | FileNotFoundError):
            return Found(first)
        return _healed(first, second, copy)
    if isinstance(second, bytes):
        return _healed(second, first, path)
    if isinstance(first, ContractError) and isinstance(second, FileNotFoundError):
        data = path.read_bytes()
        if not data.startswith(b'{"crc32"'):
            return Found(data)
    raise second if isinstance(first, FileNotFoundError) else first


def _copy_of(path: Path) -> Path:
    return path.with_name(path.name + COPY)


def _tried(path: Path) -> bytes | OSError | ContractError:
    try:
        document = unsealed(path.read_bytes())
        prove(document)
    except (OSError, ContractError) as error:
        return error
    return document


def _healed(document: bytes, why: OSError | ContractError, damaged: Path) -> Found:
    log.warning("file_damaged", path=str(damaged), error=str(why), reason="its other copy is whole, and counts")
    with contextlib.suppress(OSError):
        # whole or not, no copy is open to more than the other was
        write_atomically(damaged, sealed(document), mode=0o600)
    return Found(document, f"{damaged.name}: {why}")
