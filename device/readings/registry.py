"""The ports and meters of this device, as its registration names them."""

import time
from collections.abc import Callable
from typing import Final

from broker.contract.messages import MeterSeen
from meters.decoding.sub_meters import key_behind, sub_meter_key
from meters.specs.identify import Identity, SubMeter

FACTS_AFTER_S: Final = 10.0
"""Facts and addresses grow over several telegrams; they alone are registered no more often than this."""
IDENTIFYING_FACTS: Final = ("identification", "version", "telegram_changed_at", "key_state")
"""Facts by which a meter becomes another product's: the platform must choose its spec anew at once."""


Register = Callable[[tuple[str, ...], tuple[MeterSeen, ...]], None]
"""Registers these ports and meters (again)."""


class MeterRegistry:
    """Ports, and the meters at each; registered anew when what is registered no longer fits.

    `is_registered` says whether the platform has the newest registration, and can answer it.
    """

    def __init__(
        self, register: Register, is_registered: Callable[[], bool], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._register = register
        self.is_registered = is_registered
        self._monotonic = monotonic
        self._ports: dict[str, tuple[MeterSeen, ...]] = {}
        self._registered_s = float("-inf")
        self._more_facts = False

    @property
    def meters(self) -> tuple[MeterSeen, ...]:
        """All meters, 256 at most as a registration holds."""
        return tuple(meter for meters in self._ports.values() for meter in meters)[:256]

    def add_port(self, port: str) -> None:
        """A port was found."""
        self._ports.setdefault(port, ())
        self.register()

    def observe(self, port: str, meters: tuple[MeterSeen, ...]) -> None:
        """The meters that are at a port now."""
        before = self._ports.get(port, ())
        if before == meters:
            return
        self._ports[port] = meters
        if [_who(meter) for meter in before] != [_who(meter) for meter in meters]:
            self._register_now()
        else:
            self._more_facts = True
            self.upkeep()

    def upkeep(self) -> None:
        """Register grown facts once it is time; call it about once a second."""
        if self._more_facts and self._monotonic() - self._registered_s >= FACTS_AFTER_S:
            self._register_now()

    def register(self) -> None:
        """Register ports and meters as they are."""
        self._register(tuple(self._ports), self.meters)

    def _register_now(self) -> None:
        self._registered_s = self._monotonic()
        self._more_facts = False
        self.register()


def as_registered(port: str, key: str, identity: Identity, behind: tuple[SubMeter, ...]) -> tuple[MeterSeen, ...]:
    """A meter and those behind it, as a registration names them."""
    main = MeterSeen(
        key=key,
        port=port[:256],
        protocol=str(identity.protocol),
        manufacturer=identity.manufacturer[:256] or None,
        product=identity.product[:256] or None,
        serial=identity.serial[:256] or None,
        firmware=identity.firmware[:256] or None,
        facts={name[:256]: text[:4096] for name, text in identity.facts.items()},
        addresses=tuple(address[:256] for address in identity.addresses[:1024]),
    )
    subs = tuple(
        MeterSeen(
            key=key_behind(key, sub_meter_key(sub.serial), sub.serial if sub.serial.strip("0") else f"0-{sub.channel}"),
            port=port[:256],
            protocol=str(identity.protocol),
            serial=sub.serial[:256] or None,
            parent=key,
            facts={"channel": str(sub.channel), "device_type": sub.device_type[:4096]},
            addresses=tuple(address[:256] for address in sub.addresses[:1024]),
        )
        for sub in behind
    )
    return (main, *subs)


def _who(meter: MeterSeen) -> tuple[str | None, ...]:
    return (
        meter.key,
        meter.protocol,
        meter.manufacturer,
        meter.product,
        meter.serial,
        meter.firmware,
        meter.parent,
        *(meter.facts.get(name) for name in IDENTIFYING_FACTS),
    )
