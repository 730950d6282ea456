"""A device's labels changed: its meters are matched anew, as it may enter or leave an audience or a group."""

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from gateway.desired.change import Change, Configuration
from gateway.desired.store import set_device_labels
from gateway.enrolment.store import site_to_label
from gateway.events import record_event
from gateway.fleet.device_labels import require_labels
from gateway.fleet.labels import changed, check_labels
from gateway.fleet.store.labels import DeviceLabels
from gateway.principals import SYSTEM

log = structlog.get_logger()
SITE: Final = "site"


async def change_labels(
    configuration: Configuration,
    device: str,
    given: Mapping[str, str | None],
    check: Callable[[DeviceLabels], None],
    *,
    replace: bool,
    author: str,
    reason: str | None,
) -> DeviceLabels:
    """Set some labels of a device, or replace all; returns them. What it is then chosen by, it is given at once.

    `check` sees the labels before, and raises Refusal where they are not what was expected. Raises Refusal: unknown,
    and invalid for labels that can't be.
    """
    check_labels(given)
    async with configuration.changing() as change:
        before = await require_labels(change.connection, device)
        check(before)
        labels = changed({} if replace else before.labels, given)
        await set_labels(change, before, labels, author=author, reason=reason)
        return await require_labels(change.connection, device)


async def label_site(change: Change, device: str) -> list[str]:
    """Label a device that nobody has labelled with the site of the claim by which it enrolled; people may change it.

    Returns the devices whose configuration changed by it.
    """
    found = await site_to_label(change.connection, device)
    if found is None:
        return []
    before = await require_labels(change.connection, device)
    labels = {**before.labels, SITE: found.site}
    return await set_labels(change, before, labels, author=SYSTEM, reason=f"claim {found.claim}")


async def set_labels(
    change: Change, before: DeviceLabels, labels: Mapping[str, str], *, author: str, reason: str | None
) -> list[str]:
    """Give a device these labels, with an event.

    Returns the devices whose configuration changed by it.
    """
    if dict(before.labels) == dict(labels):
        return []
    await set_device_labels(change.connection, before.device_id, labels, author, reason)
    detail = {"labels": dict(labels), "before": dict(before.labels), "author": author, "reason": reason}
    await record_event(change.connection, "device_labelled", device=before.device, detail=detail)
    log.info("device_labelled", device=before.device, author=author, labels=labels)
    return await change.rebuild([before.device_id])
