"""MQTT topic filters of foreign roots: which may be subscribed to, and which sources a topic belongs to. No I/O."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from broker.contract.topics import DEFAULT_ROOT
from broker.errors import ContractError

LONGEST_BYTES: Final = 1024
_CACHED: Final = 10_000


def checked(name: str, root: str = DEFAULT_ROOT) -> str:
    """A filter as it is, where a bridge may subscribe to it.

    Raises ContractError for what is no filter (MQTT 5 4.7.1), a shared subscription, the broker's own topics, and
    whatever would also be given our own devices' messages below `root`.
    """
    levels = name.split("/")
    if not name or len(name.encode("utf-8", "surrogatepass")) > LONGEST_BYTES or _has_control(name):
        raise ContractError(f"{name[:80]!r} is no topic filter", field="topics", fix=f"1 to {LONGEST_BYTES} bytes of text")
    if any("#" in level for level in levels[:-1]) or any(
        level not in ("+", "#") and ("+" in level or "#" in level) for level in levels
    ):
        raise ContractError(
            f"{name[:80]!r} has a wildcard amid a level", field="topics", fix="+ is a whole level, # the last one"
        )
    if levels[0].startswith("$"):
        raise ContractError(f"{name[:80]!r} is the broker's own", field="topics", fix="a filter without a leading $")
    if overlaps(name, f"{root}/#"):
        raise ContractError(
            f"{name[:80]!r} would take our own devices' messages below {root}, too",
            field="topics", fix="begin it with the level that the foreign devices have, such as tele/+/SENSOR",
        )  # fmt: skip
    return name


def matches(name: str, topic: str) -> bool:
    """Whether a filter covers a topic (MQTT 5 4.7.1; wildcards at the beginning leave `$` topics out, 4.7.2)."""
    wanted, given = name.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(given) or level not in ("+", given[place]):
            return False
    return len(wanted) == len(given)


def overlaps(one: str, other: str) -> bool:
    """Whether some topic is covered by both filters."""
    left, right = one.split("/"), other.split("/")
    for place, level in enumerate(left):
        if level == "#":
            return True
        if place >= len(right):
            # `a/#` covers `a`, too
            return False
        if right[place] == "#":
            return True
        if level != right[place] and "+" not in (level, right[place]):
            return False
    return len(left) == len(right) or right[len(left) :] == ["#"]


def _has_control(text: str) -> bool:
    return any(ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 or 0xD800 <= ord(letter) < 0xE000 for letter in text)


@dataclass(slots=True)
class _Node:
    children: "dict[str, _Node]" = field(default_factory=dict)
    owners: list[str] = field(default_factory=list)
    owners_below: list[str] = field(default_factory=list)


class Claims:
    """Which sources claim a topic by their filters; several may, and each is given the message."""

    def __init__(self, filters: Iterable[tuple[str, str]]) -> None:
        """`filters` are pairs of a source's name and a filter."""
        self._root = _Node()
        for owner, name in filters:
            self._add(owner, name)
        self.owners = lru_cache(_CACHED)(self._owners)
        """The sources of a topic, sorted, each once."""

    def _add(self, owner: str, name: str) -> None:
        node, levels = self._root, name.split("/")
        for level in levels:
            if level == "#":
                node.owners_below.append(owner)
                return
            node = node.children.setdefault(level, _Node())
        node.owners.append(owner)

    def _owners(self, topic: str) -> tuple[str, ...]:
        return tuple(sorted(set(self._walk(self._root, topic.split("/"), 0))))

    def _walk(self, node: _Node, levels: list[str], place: int) -> Iterator[str]:
        wild = place > 0 or not levels[0].startswith("$")
        if wild:
            yield from node.owners_below
        if place == len(levels):
            yield from node.owners
            return
        for level in (levels[place], "+") if wild else (levels[place],):
            if (child := node.children.get(level)) is not None:
                yield from self._walk(child, levels, place + 1)
