"""Labels of devices in the store, and which devices a selector or an audience chooses."""

from broker.selectors import Selector
from gateway.faults import unknown
from gateway.fleet.audience import Audience
from gateway.fleet.store.labels import DeviceLabels, device_labels
from store.sql import Connection


async def labels_of(connection: Connection, device: str) -> DeviceLabels | None:
    """The labels of one device; None where there is no such device."""
    found = await device_labels(connection, device)
    return found[0] if found else None


async def require_labels(connection: Connection, device: str) -> DeviceLabels:
    """The labels of one device. Raises Refusal: unknown."""
    found = await labels_of(connection, device)
    if found is None:
        raise unknown("device", device)
    return found


async def chosen(connection: Connection, selector: Selector) -> list[DeviceLabels]:
    """The devices that a selector chooses, by name."""
    return [one for one in await device_labels(connection, None) if selector.holds(one.all())]


async def chosen_by(connection: Connection, audience: Audience) -> list[str]:
    """The devices of an audience by name, as long as they are known; names that are not are passed on."""
    if audience.devices:
        return sorted(audience.devices)
    return [one.device for one in await device_labels(connection, None) if audience.holds(one.all(), "command")]
