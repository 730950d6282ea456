"""Labels of devices in the store; a change matches the device's meters anew, as it may enter or leave an audience."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from gateway.audience import Audience
from gateway.database import Connection
from gateway.desired import rebuild
from gateway.events import record_event
from gateway.labels import Selector
from gateway.publisher import Publisher
from gateway.sql import load

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DeviceLabels:
    """A device's labels, and what its registration says; `version` rises with each change, 0 where there was none."""

    device_id: int
    device: str
    version: int
    labels: Mapping[str, str]
    facts: Mapping[str, str]


async def labels_of(connection: Connection, device: str) -> DeviceLabels | None:
    """The labels of one device; None where there is no such device."""
    row = await connection.fetchrow(load("device_labels"), device)
    return None if row is None else _read(row)


async def chosen(connection: Connection, selector: Selector) -> list[DeviceLabels]:
    """The devices that a selector chooses, by name."""
    found = (_read(row) for row in await connection.fetch(load("device_labels"), None))
    return [one for one in found if selector.holds({**one.labels, **one.facts})]


async def chosen_by(connection: Connection, audience: Audience) -> list[str]:
    """The devices of an audience by name, as long as they are known; names that are not are passed on."""
    if audience.devices:
        return sorted(audience.devices)
    found = (_read(row) for row in await connection.fetch(load("device_labels"), None))
    return [one.device for one in found if audience.holds({**one.labels, **one.facts}, "command")]


async def set_labels(
    connection: Connection,
    before: DeviceLabels,
    labels: Mapping[str, str],
    publisher: Publisher,
    *,
    author: str,
    reason: str | None,
) -> list[str]:
    """Give a device these labels, with an event; inside a transaction under the configuration's lock.

    Returns the devices whose configuration changed by it.
    """
    if dict(before.labels) == dict(labels):
        return []
    await connection.execute(load("set_device_labels"), before.device_id, json.dumps(labels), author, reason)
    detail = {"labels": dict(labels), "before": dict(before.labels), "author": author, "reason": reason}
    await record_event(connection, "device_labelled", device=before.device, detail=detail)
    log.info("device_labelled", device=before.device, author=author, labels=labels)
    return await rebuild(connection, [before.device_id], await publisher.renew(connection))


def _read(row: Any) -> DeviceLabels:
    return DeviceLabels(
        row["device_id"], row["device"], row["version"], json.loads(row["labels"]), json.loads(row["facts"])
    )
