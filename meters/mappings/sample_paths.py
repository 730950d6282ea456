"""Where the values of a sample stand, as paths that a mapping may have."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from meters.mappings.field_names import guess_quantity, is_time

MOST_WALKED: Final = 2_000
_PHASES: Final = 3
"""Plain lists as long as this are taken for the phases L1 to L3."""
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def record_of(document: Any) -> tuple[str, Any]:
    """The list that looks most like records, with one of them; '' and the document where it is a record itself."""
    if isinstance(document, list):
        return "", next((one for one in document if isinstance(one, dict)), document[0] if document else None)
    best: tuple[int, str, Any] = (_known(document), "", document)
    open_nodes, walked = [("", document)], 0
    while open_nodes and walked < MOST_WALKED:
        where, node = open_nodes.pop(0)
        walked += 1
        if not isinstance(node, dict):
            continue
        for name, child in node.items():
            path = f"{where}.{_quoted(name)}" if where else _quoted(name)
            if isinstance(child, list) and child and isinstance(child[0], dict):
                best = max(best, (_known(child[0]) + 1, path, child[0]), key=lambda one: one[0])
            elif isinstance(child, dict):
                open_nodes.append((path, child))
    return best[1], best[2]


def _known(record: Any) -> int:
    names = [where.rsplit(".", 1)[-1].strip('"') for where, _ in leaves_of(record)]
    return sum(2 * (guess_quantity(name) is not None) + is_time(name) + ("obis" in name.lower()) for name in names)


def leaves_of(record: Any, where: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Paths and plain values of a record; a plain list that is no phases' is a value itself."""
    if isinstance(record, dict) and depth < 5:
        for name, child in list(record.items())[:200]:
            yield from leaves_of(child, f"{where}.{_quoted(name)}" if where else _quoted(name), depth + 1)
    elif isinstance(record, list) and where and len(record) == _PHASES and all(_is_plain(one) for one in record):
        for number, one in enumerate(record):
            yield f"{where}[{number}]", one
    elif where and (_is_plain(record) or (isinstance(record, list) and record and _is_plain(record[0]))):
        yield where, record


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _quoted(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else json.dumps(name)


def name_of(where: str) -> str:
    """The last name of a path; of a list of three the phase stands behind it."""
    path, place = place_of(where)
    found = re.search(r'("(?:[^"\\]|\\.)*"|[^.]+)$', path)
    text = found[1] if found else path
    return (str(json.loads(text)) if text.startswith('"') else text) + place


def place_of(where: str) -> tuple[str, str]:
    """A path without its place in a list, and the phase that the place stands for: `voltage[1]` is ` l2`."""
    found = re.fullmatch(r"(.+)\[(\d)\]", where)
    return (found[1], f" l{int(found[2]) + 1}") if found else (where, "")
