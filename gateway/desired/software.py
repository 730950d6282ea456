"""Which software each device is to run: resolved from its layers, with a version that rises only on a change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from broker.contract.software import SoftwareDesired
from gateway.desired.layers import software
from gateway.desired.state import DeviceState, version_above
from gateway.desired.store import set_software
from store.sql import Connection


@dataclass(frozen=True, slots=True)
class SoftwareChange:
    """What a device is to run from now on, None where nothing is desired any more."""

    device_id: int
    device: str
    version: int
    before: SoftwareDesired | None
    after: SoftwareDesired | None
    author: str

    @property
    def installs(self) -> bool:
        """Whether its updater may have to put another release in place, and the agent is away for a moment."""
        return self.after is not None and (self.before is None or self.before.release != self.after.release)


def renewed(state: DeviceState, author: str, at: datetime) -> SoftwareChange | None:
    """What the layers of a device say of its software; None where that is what it has, and it is not ahead. Pure."""
    found = software(state.layers())
    version = version_above(state.software_version, state.software_floor)
    if found is None:
        if state.software is None:
            return None
        return SoftwareChange(state.id, state.name, version, state.software, None, author)
    fresh = SoftwareDesired(
        version=version,
        release=found.software_release,
        source=found.software_source,
        probation_s=found.software_probation_s,
        memory_limit_mib=found.software_memory_limit_mib,
        author=author,
        at=at,
    )
    if _content(fresh) == _content(state.software) and state.software_floor <= state.software_version:
        return None
    return SoftwareChange(state.id, state.name, version, state.software, fresh, author)


def reissued(state: DeviceState, author: str, at: datetime) -> SoftwareChange | None:
    """What a device is to run, as a version of its own: its updater tries it again. None where nothing is."""
    if state.software is None:
        return None
    version = version_above(state.software_version, state.software_floor)
    fresh = state.software.model_copy(update={"version": version, "author": author, "at": at, "again": True})
    return SoftwareChange(state.id, state.name, version, state.software, fresh, author)


async def store_software(connection: Connection, changes: Sequence[SoftwareChange]) -> None:
    """Make these what devices are to run; it waits to be published as a configuration does."""
    await set_software(connection, [(one.device_id, one.version, _document(one.after), one.author) for one in changes])


def _document(software: SoftwareDesired | None) -> dict[str, object] | None:
    return None if software is None else software.model_dump(mode="json", exclude_none=True)


def _content(software: SoftwareDesired | None) -> dict[str, object] | None:
    return None if software is None else software.model_dump(exclude={"version", "author", "at", "again"})
