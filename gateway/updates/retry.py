"""A device tries again what its updater has refused or gone back from, because a person says so."""

import structlog

from gateway.desired.change import Change
from gateway.events import record_event
from gateway.faults import Fault, conflict, unknown
from gateway.updates.store import DeviceSoftware, software_of

log = structlog.get_logger()
GIVEN_UP = ("refused", "rolled_back")


async def retry(change: Change, device: str, *, author: str, reason: str | None) -> None:
    """Have a device try the release again that it is to run, as a new version of what is desired, with an event.

    Raises Refusal: unknown; conflict where its updater has not given that up.
    """
    found = await software_of(change.connection, device)
    if found is None:
        raise unknown("device", device)
    if found.standing not in GIVEN_UP:
        why = _not_given_up(found)
        raise conflict(why, [Fault("device", why, f"GET /api/v1/devices/{device}/software says how it stands")])
    [made] = await change.reissue_software([found.device_id], author=author)
    detail = {"release": found.desired, "version": made.version, "author": author, "reason": reason}
    await record_event(change.connection, "software_retried", device=device, detail=detail)
    log.info("software_retried", device=device, release=found.desired, version=made.version, author=author)


def _not_given_up(found: DeviceSoftware) -> str:
    if found.desired is None:
        return f"no release is desired of {found.device}"
    standing = (found.standing or "").replace("_", " ")
    return f"{found.device} has not given up release {found.desired}: {standing}"
