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

log = structlog.get_logger()

COPY: Final = ".copy"
_SEAL: Final = re.compile(rb'\{"crc32":"([0-9a-f]{8})"')


@dataclass(frozen=True, slots=True)
class Found:
    """What a file says; `damage` is empty where the first copy was whole."""

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


def write_twice(path: Path, document: bytes) -> None:
    """Replace a file durably, then its copy, which the disk gets in its own time. Raises OSError for the first."""
    data = sealed(document)
    write_atomically(path, data)
    with contextlib.suppress(OSError):
        write_atomically(path.with_name(path.name + COPY), data, durable=False)


def read_either(path: Path) -> Found:
    """The file, or its copy where it is damaged or gone; one of before checksums is taken as it is, without a copy.

    Raises FileNotFoundError where there is neither, ContractError where none is whole, OSError.
    """
    copy = path.with_name(path.name + COPY)
    failures: list[OSError | ContractError] = []
    for candidate in (path, copy):
        try:
            data = candidate.read_bytes()
            document = unsealed(data)
        except ContractError as error:
            if candidate is path and not copy.exists():
                if not data.startswith(b'{"crc32"'):
                    return Found(data)
                raise
            failures.append(error)
        except OSError as error:
            failures.append(error)
        else:
            if failures:
                log.warning("file_damaged", path=str(path), error=str(failures[0]), taken_from="its copy")
            return Found(document, str(failures[0]) if failures else "")
    raise next((one for one in failures if not isinstance(one, FileNotFoundError)), failures[0])
