"""Groups of devices by label selectors, in the store: which there are, and which of them a device belongs to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from broker.errors import ContractError
from gateway.database import Connection
from gateway.labels import Selector, parse_selector
from gateway.layers import group_scope
from gateway.sql import load

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
    rows = await connection.fetch(load("parameter_groups"), None)
    return tuple(sorted((_read(row) for row in rows), key=lambda group: (group.priority, group.name)))


async def find_group(connection: Connection, name: str) -> Group | None:
    """One group; None where there is none of this name."""
    row = await connection.fetchrow(load("parameter_groups"), name)
    return None if row is None else _read(row)


async def members_of(connection: Connection, group: Group) -> list[tuple[int, str]]:
    """The devices that belong to a group, by name, as id and name."""
    rows = await connection.fetch(load("device_labels"), None)
    return [
        (row["device_id"], row["device"])
        for row in rows
        if group.holds({**json.loads(row["labels"]), **json.loads(row["facts"])})
    ]


async def set_group(
    connection: Connection, name: str, selector: Selector, priority: int, *, author: str, reason: str | None
) -> None:
    """Make or change a group. Raises ContractError where there are too many."""
    if len(await load_groups(connection)) >= MAX_GROUPS and await find_group(connection, name) is None:
        raise ContractError(f"there are {MAX_GROUPS} groups", field="group", fix="remove one that nobody needs")
    await connection.execute(load("set_parameter_group"), name, str(selector), priority, author, reason)


async def remove_group(connection: Connection, name: str, *, author: str, reason: str | None) -> None:
    """Remove a group; the versions of its layer stay in the history."""
    await connection.execute(load("remove_parameter_group"), name, author, reason)


def containing(groups: Sequence[Group], labels: Mapping[str, str]) -> tuple[Group, ...]:
    """The groups that a device with these labels belongs to, in the order of `groups`."""
    return tuple(group for group in groups if group.holds(labels))


def _read(row: Any) -> Group:
    return Group(
        name=row["name"],
        selector=parse_selector(row["selector"]),
        priority=row["priority"],
        version=row["version"],
        author=row["author"],
        reason=row["reason"],
        changed_at=row["changed_at"],
    )
