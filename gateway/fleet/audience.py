"""Who is given a spec version first: devices by name, by labels, or a share of the fleet. Pure functions."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from broker.patterns import NAME
from broker.selectors import Selector
from gateway.faults import invalid
from gateway.fleet.labels import parse_selector

MAX_DEVICES: Final = 1000
MAX_TEXT: Final = 16_384
FORMS: Final = "write devices (pi-north,pi-south), labels (site=warsaw) or a share of the fleet (10%)"
_DEVICE: Final = re.compile(NAME)
_SHARE: Final = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)\s*%")


@dataclass(frozen=True, slots=True)
class Audience:
    """Exactly one of the three; a share is in percent."""

    devices: frozenset[str] = frozenset()
    selector: Selector | None = None
    percent: Decimal | None = None

    def holds(self, labels: Mapping[str, str], salt: str) -> bool:
        """Whether a device with these labels, its name among them as `device`, belongs to it.

        A share takes the devices whose hash lies below it, so that a higher share only adds devices; `salt` makes
        each spec begin with other devices.
        """
        if self.percent is not None:
            return place(labels["device"], salt) < self.percent
        return self.selector.holds(labels) if self.selector is not None else labels["device"] in self.devices

    def __str__(self) -> str:
        if self.percent is not None:
            return f"{self.percent.normalize():f}%"
        return str(self.selector) if self.selector is not None else ",".join(sorted(self.devices))


def place(device: str, salt: str) -> Decimal:
    """Where a device stands in the order of a share, from 0 up to 100, the same for ever."""
    number = int.from_bytes(hashlib.sha256(f"{salt}\0{device}".encode()).digest()[:8])
    return Decimal(number) * 100 / 2**64


def parse_audience(text: str, *, field: str = "audience") -> Audience:
    """Read `10%`, `site=warsaw,model!=pi3` or `pi-north,pi-south`. Raises Refusal that names the part.

    Bare names are devices; a label that must only be there is written `tested=*`.
    """
    text = text.strip()
    if not text or len(text) > MAX_TEXT:
        raise invalid(field, "it names nobody" if not text else f"{len(text)} characters", FORMS)
    if "%" in text and "=" not in text:
        return Audience(percent=_percent(text, field))
    if "=" in text or "!" in text:
        return Audience(selector=parse_selector(text, field=field))
    names = [part.strip() for part in text.split(",")]
    for number, name in enumerate(names):
        if _DEVICE.fullmatch(name) is None:
            raise invalid(f"{field}.{number}", f"{name[:64]!r} is no device's name", FORMS)
    if len(names) > MAX_DEVICES:
        raise invalid(field, f"{len(names)} devices", f"at most {MAX_DEVICES}; label them instead")
    return Audience(devices=frozenset(names))


def _percent(text: str, field: str) -> Decimal:
    found = _SHARE.fullmatch(text)
    percent = Decimal(found[1]) if found else Decimal(0)
    if not 0 < percent <= 100:
        raise invalid(field, f"{text[:64]!r} is no share", "more than 0% and at most 100%")
    return percent
