"""What the tasks of one agent share."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from device.clock import DeviceClock
from device.config.configuration import Configuration
from device.config.effective import EffectiveConfig
from device.metrics import DeviceMetrics
from device.outbox.bundles import Bundles
from device.outbox.outgoing import Outgoing
from device.readings.meter_health import MeterHealth
from device.readings.meter_keys import MeterKeys
from device.readings.registry import MeterRegistry
from device.settings import DeviceSettings


@dataclass(frozen=True, slots=True)
class Context:
    """The collaborators of a port's tasks, handed over as one.

    `make_durable` waits until the disk has what was put into the outbox; False while the disk refuses.
    """

    device: str
    settings: DeviceSettings
    clock: DeviceClock
    metrics: DeviceMetrics
    effective: EffectiveConfig
    outgoing: Outgoing
    keys: MeterKeys
    bundles: Bundles
    registry: MeterRegistry
    health: MeterHealth
    make_durable: Callable[[], Awaitable[bool]]
    monotonic: Callable[[], float] = time.monotonic

    @property
    def config(self) -> Configuration:
        """The configuration in force."""
        return self.effective.config
