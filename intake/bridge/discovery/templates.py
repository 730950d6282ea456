"""Home Assistant's value templates (Jinja) that only pick a value, as JMESPath and a factor; others are no proposal."""

import re
from dataclasses import dataclass
from typing import Final

_WHOLE: Final = re.compile(r"\s*\{\{-?(.*?)-?\}\}\s*", re.DOTALL)
_STEP: Final = re.compile(
    r"""\.(?P<name>[A-Za-z_]\w*)|\[\s*(?:'(?P<single>[^'\\]*)'|"(?P<double>[^"\\]*)"|(?P<index>\d{1,4}))\s*\]"""
)
_HARMLESS: Final = re.compile(r"(?:float|int|round|is_defined|default|string|trim)(?:\(\s*[^()|]{0,40}\))?")
"""Filters that leave a number what it is, but for its digits and for what stands where it is missing."""
_SCALED: Final = re.compile(r"(?P<inner>.+?)\s*(?P<operator>[*/])\s*(?P<number>\d{1,12}(?:\.\d{1,12})?)\s*")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEPTH: Final = 16


@dataclass(frozen=True, slots=True)
class Picked:
    """Where a value stands in a payload: a JMESPath, or '' where the payload is the value; and what to multiply by."""

    path: str
    factor: float = 1.0


def pick(template: str | None) -> Picked | None:
    """What a template picks; None for one that computes, compares or loops. No template means the payload itself."""
    if template is None or not template.strip():
        return Picked("")
    found = _WHOLE.fullmatch(template)
    return None if found is None else _expression(found[1].strip(), 0)


def _expression(text: str, depth: int) -> Picked | None:
    if depth > _DEPTH or not text or len(text) > 500:
        return None
    parts = _split_filters(text)
    if parts is None:
        return None
    text, filters = parts
    if any(_HARMLESS.fullmatch(one) is None for one in filters):
        return None
    return _picked(text, depth)


def _picked(text: str, depth: int) -> Picked | None:
    if text.startswith("(") and _closes_at(text) == len(text) - 1:
        return _expression(text[1:-1].strip(), depth + 1)
    if scaled := _SCALED.fullmatch(text):
        inner, number = _expression(scaled["inner"].strip(), depth + 1), float(scaled["number"])
        if inner is None or number == 0:
            return None
        return Picked(inner.path, inner.factor * number if scaled["operator"] == "*" else inner.factor / number)
    path = _path(text)
    return None if path is None else Picked(path)


def _split_filters(text: str) -> tuple[str, list[str]] | None:
    """The text before the filters that hold for all of it, and those; `a | float / 1000` divides what the filter gave.

    Jinja's filters bind closer than its arithmetic, so they are taken off only where nothing follows them.
    """
    depth, cut = 0, []
    for place, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if depth < 0:
            return None
        if letter == "|" and depth == 0:
            cut.append(place)
    if depth:
        return None
    if not cut:
        return text, []
    filters = [one.strip() for one in text[cut[0] + 1 :].split("|")]
    if any(_SCALED.fullmatch(one) and _HARMLESS.fullmatch(one) is None for one in filters):
        return _scaled_filter(text, cut)
    return text[: cut[0]].strip(), filters


def _scaled_filter(text: str, cut: list[int]) -> tuple[str, list[str]] | None:
    """`value_json.x | float(0) / 1000 | round(2)`: as if brackets stood about what is scaled."""
    head, *filters = (one.strip() for one in text.split("|"))
    for number, one in enumerate(filters):
        if (scaled := _SCALED.fullmatch(one)) and _HARMLESS.fullmatch(one) is None:
            before = " | ".join([head, *filters[:number], scaled["inner"].strip()])
            return f"({before}) {scaled['operator']} {scaled['number']}", filters[number + 1 :]
    return None if cut else (text, [])


def _closes_at(text: str) -> int:
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return place
    return -1


def _path(text: str) -> str | None:
    if text == "value":
        return ""
    if not text.startswith("value_json"):
        return None
    rest, path = text.removeprefix("value_json"), ""
    if not rest:
        return "@"
    while rest:
        step = _STEP.match(rest)
        if step is None:
            return None
        rest = rest[step.end() :]
        if step["index"] is not None:
            path += f"[{step['index']}]" if path else f"@[{step['index']}]"
            continue
        name = next(one for one in (step["name"], step["single"], step["double"]) if one is not None)
        if not name or '"' in name:
            return None
        path += ("." if path else "") + (name if _PLAIN_NAME.fullmatch(name) else f'"{name}"')
    return path
