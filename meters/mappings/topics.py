"""Patterns of MQTT topics with names for levels: `tele/{meter}/SENSOR`."""

import re
from typing import Final

_NAME: Final = re.compile(r"\{([a-z][a-z0-9_]{0,31})\}")


def check_topic(pattern: str) -> str:
    """The pattern. Raises ValueError where a level is neither text, `{name}`, `+`, nor a `#` at the end."""
    levels = pattern.split("/")
    names = list[str]()
    for number, level in enumerate(levels, 1):
        found = _NAME.fullmatch(level)
        if found:
            names.append(found[1])
        elif level == "#":
            if number != len(levels):
                raise ValueError(f"{pattern}: # stands in the last level alone")
        elif level != "+" and any(sign in level for sign in "+#{}\0"):
            raise ValueError(f"{pattern}: level {number} is no text, no {{name}} in lower case, and no +")
    if len(set(names)) != len(names):
        raise ValueError(f"{pattern}: a name stands twice")
    return pattern


def match_topic(pattern: str, topic: str) -> dict[str, str] | None:
    """The named levels of a topic that fits the pattern; None of one that does not."""
    wanted, given = pattern.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted, given = wanted[:-1], given[: max(len(wanted) - 1, 0)]
    if len(wanted) != len(given):
        return None
    found = dict[str, str]()
    for level, text in zip(wanted, given, strict=True):
        name = _NAME.fullmatch(level)
        if name:
            found[name[1]] = text
        elif level not in ("+", text):
            return None
    return found


def filter_of(pattern: str) -> str:
    """The MQTT filter that subscribes to what fits a pattern."""
    return "/".join("+" if _NAME.fullmatch(level) else level for level in pattern.split("/"))
