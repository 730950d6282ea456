"""The device's certificate on disk: one file with key, certificate and chain, so that they always fit together.

Lines before the first PEM block say what is in it (RFC 7468 2 lets others pass over them): the agent itself can't read
certificates, for the library that can would cost it more memory than all the rest.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from device.token_uri import id_in

FILE: Final = "certificate.pem"
KEY_FILE: Final = "next.key"
"""The key for which a certificate is being asked."""
HOME_FILE: Final = "certificate-home.pem"
"""The one that home believes, while FILE is one by another authority, of a place that the platform told."""
TOLD_FILE: Final = "certificate-told.pem"
"""That other one, while the device is at home."""
_ELSEWHERE: Final = "wattline-key: in a token"
"""The first line where that is so: software from before tokens then finds no certificate, not one it can't use."""
_FIELDS: Final = ("identity", "hardware", "not_before", "not_after")


@dataclass(frozen=True, slots=True)
class StoredCertificate:
    """A certificate that the device has: its login, the machine that it was given to, and its times (aware)."""

    identity: str
    hardware: str
    not_before: datetime
    not_after: datetime

    @property
    def life_s(self) -> float:
        """How long it holds in all."""
        return (self.not_after - self.not_before).total_seconds()


def with_header(held: StoredCertificate, pem: bytes) -> bytes:
    """The file's content."""
    first = f"{_ELSEWHERE}\n" if id_in(pem) is not None else ""
    times = {"not_before": held.not_before.isoformat(), "not_after": held.not_after.isoformat()}
    values = {"identity": held.identity, "hardware": held.hardware, **times}
    return (first + "".join(f"wattline-{name}: {values[name]}\n" for name in _FIELDS)).encode() + pem


def stored_in(path: Path) -> StoredCertificate | None:
    """What a file holds; None where there is none, or none that can be used."""
    try:
        found = path.read_text("ascii").splitlines()
        lines = (found[1:] if found[:1] == [_ELSEWHERE] else found)[: len(_FIELDS)]
        values = [line.removeprefix(f"wattline-{name}: ") for line, name in zip(lines, _FIELDS, strict=True)]
        identity, hardware, *times = values
        begins_at, ends_at = map(datetime.fromisoformat, times)
    except (OSError, ValueError):
        return None
    if begins_at.tzinfo is None or ends_at.tzinfo is None or begins_at >= ends_at:
        return None
    return StoredCertificate(identity, hardware, begins_at, ends_at)


def use(folder: Path, *, told: bool) -> None:
    """Let FILE be the certificate for a place that the platform told, or for home, where there is one for each.

    Each step is a rename, and what a power cut left half done is done at the next call. Raises OSError.
    """
    file, home, elsewhere = folder / FILE, folder / HOME_FILE, folder / TOLD_FILE
    if not file.exists() and home.exists():
        home.replace(file)
    if told and elsewhere.exists():
        file.replace(home)
        elsewhere.replace(file)
    elif not told and home.exists():
        file.replace(elsewhere)
        home.replace(file)
