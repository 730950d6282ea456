"""What is wrong with HTML that a browser would forgive: glued attributes, unknown ones, tags that do not close."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

_TAG: Final = re.compile(r"<(/?)([a-z][a-z0-9]*)((?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>")
_ATTRIBUTE: Final = re.compile(r"\s+([a-z][a-z0-9-]*)(?:=(?:\"([^\"]*)\"|'([^']*)'))?")
_VOID: Final = frozenset({"meta", "link", "img", "input", "br", "hr"})
_NOT_IN_P: Final = frozenset(
    ("p", "div", "ul", "ol", "dl", "table", "form", "section", "article", "details", "figure", "h1", "h2", "h3", "pre")
)
_GLOBAL: Final = frozenset(("id", "class", "title", "role", "tabindex", "lang", "hidden"))
_KNOWN: Final = {
    "hx": ("get", "post", "target", "swap", "trigger", "select", "include", "vals", "params", "sync", "push-url",
           "preserve", "swap-oob"),
    "aria": ("label", "labelledby", "describedby", "live", "invalid", "current", "hidden"),
    "data": ("age", "chart", "confirm", "device", "edit", "follow", "guard", "hours", "into", "keep", "key", "label",
             "list", "meter", "name", "obis", "rows", "say", "search", "specification", "stale", "unit"),
}  # fmt: skip
_COMMON: Final = _GLOBAL | {f"{prefix}-{name}" for prefix, names in _KNOWN.items() for name in names}
"""What htmx, screen readers, the scripts and the style sheet know."""
_OWN: Final = {
    "a": "href", "button": "type name value disabled", "details": "open", "form": "method action autocomplete",
    "img": "src alt width height", "label": "for", "link": "rel href", "meta": "charset name content http-equiv",
    "option": "value selected", "progress": "max value", "script": "src defer", "select": "name disabled",
    "td": "colspan", "th": "scope", "time": "datetime",
    "input": "name type value placeholder maxlength size required disabled autofocus autocomplete inputmode "
    "autocapitalize spellcheck minlength accept",
    "textarea": "name spellcheck wrap",
}  # fmt: skip


def faults(html: str) -> list[str]:
    """Every fault with what stands around it; empty for a page or part that says what it means."""
    return [*_structure(html), *_attributes(html)]


def _structure(html: str) -> Iterator[str]:
    open_: list[str] = []
    rest = _TAG.sub("", re.sub(r"<!doctype html>", "", html))
    for found in re.finditer(r"[<>]", re.sub(r"&\w+;|&#\d+;", "", rest)):
        yield f"a bare {found[0]}: {rest[max(0, found.start() - 40) : found.start() + 40]!r}"
    for found in _TAG.finditer(html):
        closes, name = found[1], found[2]
        if name in _VOID:
            continue
        if not closes:
            if name in _NOT_IN_P and "p" in open_:
                yield f"<{name}> within <p>: {_around(html, found)}"
            open_.append(name)
        elif not open_ or open_.pop() != name:
            yield f"</{name}> closes nothing: {_around(html, found)}"
            return
    if open_:
        yield f"never closed: {open_}"


def _attributes(html: str) -> Iterator[str]:
    ids: Counter[str] = Counter()
    for found in _TAG.finditer(html):
        if found[1]:
            continue
        given = list(_ATTRIBUTE.finditer(found[3]))
        if "".join(one[0] for one in given) != found[3].rstrip():
            yield f"attributes are glued: {found[0]!r}"
        names = Counter(one[1] for one in given)
        known = _COMMON | set(_OWN.get(found[2], "").split())
        yield from (f"unknown attribute {name}: {found[0]!r}" for name in names if name not in known)
        yield from (f"{name} is given {times} times: {found[0]!r}" for name, times in names.items() if times > 1)
        ids.update(one[2] for one in given if one[1] == "id")
    yield from (f"id {name!r} is given {times} times" for name, times in ids.items() if times > 1)


def _around(html: str, found: re.Match[str]) -> str:
    return repr(html[max(0, found.start() - 60) : found.end() + 20])
