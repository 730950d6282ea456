"""Groups of devices by label selectors, in the store: which there are, and which of them a device belongs to."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from broker.patterns import is_name
from broker.selectors import NAME_RULE, Selector
from gateway.faults import invalid
from gateway.fleet.labels import parse_selector
from gateway.fleet.store.labels import (
    StoredGroup,
    device_labels,
    parameter_groups,
    remove_parameter_group,
    set_parameter_group,
)
from store.sql import Connection

PRIORITY: Final = 100
MAX_GROUPS: Final = 1000


@dataclass(frozen=True, slots=True)
class Group:
    """A group of parameters' receivers; the higher priority lies above, at a tie the later name."""

    name: str
    selector: Selector
    priority: int
    version: int
    author: str
    reason: str | None
    changed_at: datetime

    @property
    def scope(self) -> str:
        """The scope of its layer."""
        return group_scope(self.name)

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether a device with these labels, facts included, belongs to it."""
        return self.selector.holds(labels)


async def load_groups(connection: Connection) -> tuple[Group, ...]:
    """All groups in the order in which their layers lie over one another, the lowest first."""
    found = (_read(one) for one in await parameter_groups(connection, None))
    return tuple(sorted(found, key=lambda group: (group.priority, group.name)))


async def find_group(connection: Connection, name: str) -> Group | None:
    """One group; None where there is none of this name."""
    found = await parameter_groups(connection, name)
    return _read(found[0]) if found else None


async def members_of(connection: Connection, group: Group) -> list[tuple[int, str]]:
    """The devices that belong to a group, by name, as id and name."""
    return [(one.device_id, one.device) for one in await device_labels(connection, None) if group.holds(one.all())]


def check_name(name: str) -> None:
    """See that a group can be called so. Raises Refusal: invalid."""
    if not is_name(name):
        raise invalid("group", f"{name[:80]!r} is no group's name", NAME_RULE)


def check_room(groups: int) -> None:
    """See that there may be one group more than these. Raises Refusal: invalid."""
    if groups >= MAX_GROUPS:
        raise invalid("group", f"there are {MAX_GROUPS} groups", "remove one that nobody needs")


async def set_group(
    connection: Connection, name: str, selector: Selector, priority: int, *, author: str, reason: str | None
) -> None:
    """Make or change a group. Raises Refusal where there are too many."""
    if await find_group(connection, name) is None:
        check_room(len(await load_groups(connection)))
    await set_parameter_group(connection, name, str(selector), priority, author, reason)


async def remove_group(connection: Connection, name: str, *, author: str, reason: str | None) -> None:
    """Remove a group; the versions of its layer stay in the history."""
    await remove_parameter_group(connection, name, author, reason)


def containing(groups: Sequence[Group], labels: Mapping[str, str]) -> tuple[Group, ...]:
    """The groups that a device with these labels belongs to, in the order of `groups`."""
    return tuple(group for group in groups if group.holds(labels))


def _read(group: StoredGroup) -> Group:
    return Group(**{**asdict(group), "selector": parse_selector(group.selector)})


def group_scope(group: str) -> str:
    """The scope of a group's layer."""
    return f"group:{group}"
