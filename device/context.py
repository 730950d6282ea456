"""What the tasks of one agent share."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from device.bundles import Bundles
from device.clock import DeviceClock
from device.metrics import DeviceMetrics
from device.outgoing import Outgoing
from device.parameters import Configuration
from device.port_memory import PortMemory
from device.pulse import Pulse
from device.registry import MeterRegistry
from device.settings import DeviceSettings
from device.specs import SpecStore


async def _nothing_to_do() -> bool:
    return True


@dataclass(slots=True)
class Context:
    """The collaborators of a port's tasks, handed over as one; `revision` rises with each change of configuration.

    `make_durable` waits until the disk has what was put into the outbox; False while the disk refuses. `hurry` reads a
    meter, or all, without waiting for the interval.
    """

    device: str
    settings: DeviceSettings
    clock: DeviceClock
    metrics: DeviceMetrics
    config: Configuration
    specs: SpecStore
    outgoing: Outgoing
    bundles: Bundles
    registry: MeterRegistry
    memory: PortMemory
    monotonic: Callable[[], float] = time.monotonic
    revision: int = 0
    specs_in_use: dict[str, str] = field(default_factory=dict)
    on_spec_used: Callable[[], None] = lambda: None
    apply_limit: Callable[[int], None] = lambda _bytes: None
    make_durable: Callable[[], Awaitable[bool]] = _nothing_to_do
    hurry: Callable[[str | None], None] = lambda _meter: None
    registered: Callable[[], bool] = lambda: True
    """Whether the platform has the newest registration, and can answer it."""
    pulse: Pulse = field(init=False)

    def __post_init__(self) -> None:
        self.pulse = Pulse(self.monotonic)

    def undecided(self, meter: str) -> bool:
        """Whether a change is on trial by which this meter was not read yet, and still may be."""
        config = self.config.meter(meter)
        if config is None or config.spec is None:
            return False
        trial = self.config.trial
        if trial is None:
            return meter in self.config.unheard
        watched = trial.watched.get(meter)
        return watched is None or watched.open

    def use_spec(self, meter: str, ref: str) -> None:
        """Note by which spec a meter's readings are made; a change is reported."""
        if self.specs_in_use.get(meter) != ref:
            self.specs_in_use[meter] = ref
            self.on_spec_used()
