"""MQTT topic filters of foreign roots: which may be subscribed to, and which sources a topic belongs to. No I/O."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from broker.contract.topics import DEFAULT_ROOT
from broker.errors import ContractError
from broker.mqtt.publication import subscription_id

LONGEST_BYTES: Final = 1024
_CACHED: Final = 10_000


def checked(name: str, root: str = DEFAULT_ROOT) -> str:
    """A filter as it is, where a bridge may subscribe to it.

    Raises ContractError for what is no filter (MQTT 5 4.7.1), a shared subscription, the broker's own topics, and
    whatever would also be given our own devices' messages below `root`.
    """
    levels = name.split("/")
    if not name or len(name.encode("utf-8", "surrogatepass")) > LONGEST_BYTES or _has_control(name):
        raise ContractError(
            f"{name[:80]!r} is no topic filter", field="topics", fix=f"1 to {LONGEST_BYTES} bytes of text"
        )
    if any("#" in level for level in levels[:-1]) or any(
        level not in ("+", "#") and ("+" in level or "#" in level) for level in levels
    ):
        raise ContractError(
            f"{name[:80]!r} has a wildcard amid a level", field="topics", fix="+ is a whole level, # the last one"
        )
    if levels[0].startswith("$"):
        raise ContractError(f"{name[:80]!r} is the broker's own", field="topics", fix="a filter without a leading $")
    if any(overlaps(name, f"{root}/{ours}/#") for ours in ("devices", "specs")):
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
    claims: list[tuple[str, str]] = field(default_factory=list)
    claims_below: list[tuple[str, str]] = field(default_factory=list)


class Claims:
    """Which sources claim a topic by which of their filters; several may, and each is given the message."""

    def __init__(self, filters: Iterable[tuple[str, str]]) -> None:
        """`filters` are pairs of a source's name and a filter."""
        self._root = _Node()
        for owner, name in filters:
            self._add(owner, name)
        self.of = lru_cache(_CACHED)(self._of)
        """The sources of a topic, sorted, each with the first of its filters that covers it."""

    def owners(self, topic: str, subscriptions: tuple[int, ...] = ()) -> tuple[str, ...]:
        """Whose a message is that came by these subscriptions.

        A broker may give one message for each subscription that covers its topic (MQTT 5 3.3.4); each source takes the
        copy that came by the first of its filters. Where the broker has no identifiers it takes whatever comes.
        """
        if not subscriptions:
            return tuple(owner for owner, _ in self.of(topic))
        return tuple(owner for owner, name in self.of(topic) if subscription_id(name) in subscriptions)

    def _add(self, owner: str, name: str) -> None:
        node, levels = self._root, name.split("/")
        for level in levels:
            if level == "#":
                node.claims_below.append((owner, name))
                return
            node = node.children.setdefault(level, _Node())
        node.claims.append((owner, name))

    def _of(self, topic: str) -> tuple[tuple[str, str], ...]:
        first: dict[str, str] = {}
        for owner, name in sorted(self._walk(self._root, topic.split("/"), 0)):
            first.setdefault(owner, name)
        return tuple(first.items())

    def _walk(self, node: _Node, levels: list[str], place: int) -> Iterator[tuple[str, str]]:
        wild = place > 0 or not levels[0].startswith("$")
        if wild:
            yield from node.claims_below
        if place == len(levels):
            yield from node.claims
            return
        for level in (levels[place], "+") if wild else (levels[place],):
            if (child := node.children.get(level)) is not None:
                yield from self._walk(child, levels, place + 1)
