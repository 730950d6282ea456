"""JMESPath expressions (jmespath.org) and texts with them in braces, bounded so that none can hold a worker up."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from jmespath import compile as compile_expression
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions, signature
from jmespath.parser import ParsedResult
from jmespath.visitor import Options, TreeInterpreter

from meters.mappings.work import MOST_MEMBERS, TooMuchError, take_steps, work_left

MOST_CHARACTERS: Final = 256
MOST_NODES: Final = 100
MOST_COPIES: Final = 6
"""Multi-selects in one expression: each may double what the next one sees, and nothing else can make it grow."""
MOST_WIDTH: Final = 64
"""Copies of one value that the multi-selects of an expression may make, one behind the other."""
MOST_TEXT: Final = 4096
"""Characters of a text that an expression may make."""
_COPIES: Final = ("multi_select_list", "multi_select_dict")


class ExpressionError(ValueError):
    """An expression that is none, or that fails on what it is given."""


class _Functions(Functions):
    """JMESPath's own, two more, and texts made of simple values alone."""

    @signature({"types": ["object"]})
    def _func_items(self, value: dict[str, Any]) -> list[dict[str, Any]]:
        """An object's members as a list, where meters or times stand as names: `items(meters)[*].key`."""
        return [{"key": key, "value": one} for key, one in value.items()]

    @signature({"types": ["string"]}, {"types": ["string"]})
    def _func_split(self, text: str, separator: str) -> list[str]:
        """The parts of a text: `split(id, '-')[0]`."""
        return text.split(separator, 64) if separator else [text]

    @signature({"types": ["string"]}, {"types": ["array-string"]})
    def _func_join(self, separator: str, texts: list[str]) -> str:
        size = sum(map(len, texts)) + len(separator) * len(texts)
        if size > MOST_MEMBERS:
            raise TooMuchError(f"join: a text of {size} characters; at most {MOST_MEMBERS}")
        return separator.join(texts)

    @signature({"types": ["array-string", "array-number", "array", "object", "string", "number", "boolean", "null"]})
    def _func_to_string(self, value: Any) -> str | None:
        """A number or a truth value as text; what holds others is none, for it would be written out whole."""
        return None if isinstance(value, dict | list) else text_of(value)


_FUNCTIONS: Final = _Functions()
_OPTIONS: Final = Options(custom_functions=_FUNCTIONS)


class _Bounded(TreeInterpreter):
    """JMESPath's own, which counts its steps: a filter in a filter would take for ever, a list of lists all memory."""

    def __init__(self, left: list[int]) -> None:
        super().__init__(_OPTIONS)
        self._left = left

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        take_steps(self._left, 1)
        return super().visit(node, *args, **kwargs)

    def visit_flatten(self, node: Any, value: Any) -> Any:
        base = self.visit(node["children"][0], value)
        if not isinstance(base, list):
            return None
        size = sum(len(one) if isinstance(one, list) else 1 for one in base)
        if size > MOST_MEMBERS:
            raise TooMuchError(f"{size} members of lists in one list; at most {MOST_MEMBERS}")
        take_steps(self._left, len(base) + size // 8)
        return [one for part in base for one in (part if isinstance(part, list) else (part,))]

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        given = [self.visit(child, value) for child in node["children"]]
        # what a function looks through counts, too; a text is looked through faster
        take_steps(self._left, sum(_size(one) for one in given))
        return _FUNCTIONS.call_function(node["value"], given)


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value) // 64
    return len(value) if isinstance(value, list | dict) else 0


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression; `text` is as it was written."""

    text: str
    _parsed: ParsedResult

    def of(self, scope: Any) -> Any:
        """Its value; None where nothing is there. Raises ExpressionError for a function given what it can't take."""
        try:
            return _Bounded(work_left()).visit(self._parsed.parsed, scope)
        except (JMESPathError, ArithmeticError, ValueError, TypeError, AttributeError, LookupError) as error:
            raise ExpressionError(f"{self.text}: {str(error)[:200]}") from error
        except RecursionError as error:
            raise ExpressionError(f"{self.text}: nested too deep") from error


@lru_cache(maxsize=4096)
def expression(text: str) -> Expression:
    """Compile. Raises ExpressionError that says what is wrong."""
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(f"an expression of {len(text)} characters; at most {MOST_CHARACTERS}")
    try:
        parsed = compile_expression(text)
    except (JMESPathError, ValueError, TypeError, LookupError, RecursionError) as error:
        first = str(error).strip().split("\n", 1)[0][:160] or type(error).__name__
        raise ExpressionError(f"{text[:80]!r} is no JMESPath expression: {first}") from error
    _check(text, parsed.parsed)
    return Expression(text, parsed)


def _check(text: str, tree: Any) -> None:
    nodes, copies, width, open_nodes = 0, 0, 1, [tree]
    while open_nodes:
        node = open_nodes.pop()
        nodes += 1
        if node["type"] in _COPIES:
            copies += 1
            width *= _width(node["children"])
        name = node.get("value")
        if node["type"] == "function_expression" and name not in _Functions.FUNCTION_TABLE:
            raise ExpressionError(f"{text[:80]!r}: there is no function {str(name)[:40]}")
        open_nodes += [child for child in node.get("children", ()) if isinstance(child, dict)]
    if nodes > MOST_NODES:
        raise ExpressionError(f"{text[:80]!r} has {nodes} parts; at most {MOST_NODES}")
    if copies > MOST_COPIES:
        raise ExpressionError(f"{text[:80]!r} has {copies} multi-selects; at most {MOST_COPIES}")
    if width > MOST_WIDTH:
        raise ExpressionError(f"{text[:80]!r} may make {width} copies of a value; at most {MOST_WIDTH}")


def _width(members: list[dict[str, Any]]) -> int:
    """How many copies of what it is given a multi-select may make: different fields are parts of it, one each."""
    plain = [one["children"][0] if one["type"] == "key_val_pair" else one for one in members]
    fields = Counter(one["value"] for one in plain if one["type"] == "field")
    others = sum(one["type"] not in ("field", "literal") for one in plain)
    return max(1, others + max(fields.values(), default=0))


def text_of(value: Any) -> str | None:
    """A simple value as text, whole numbers without a point; None for what is no simple value, and for nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value[:MOST_TEXT]
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 128 else None
    return None


def shown(value: object) -> str:
    """A value for people, shortly: what holds others is not written out, for it may be all of a payload."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return repr(str(value)[:40])


def is_true(value: Any) -> bool:
    """What JMESPath takes for true, and no text that says no."""
    return value not in (None, False, "", [], {}, "false", "no", "0")


_BRACES: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A text with expressions in braces: `SHELLY:{device_id}`."""

    text: str
    _parts: tuple[str | Expression, ...]

    def of(self, scope: Any) -> str | None:
        """The text; None where an expression gives no simple value. Raises ExpressionError."""
        found = list[str]()
        for part in self._parts:
            text = part if isinstance(part, str) else text_of(part.of(scope))
            if text is None or text == "":
                return None
            found.append(text.strip())
        return "".join(found)

    def missing(self, scope: Any) -> str:
        """The expressions in it that give nothing, for people."""
        gone = [part.text for part in self._parts if isinstance(part, Expression) and not text_of(part.of(scope))]
        return ", ".join(gone)

    @property
    def is_fixed(self) -> bool:
        """Whether it says the same of every record."""
        return all(isinstance(part, str) for part in self._parts)


@lru_cache(maxsize=4096)
def template(text: str) -> Template:
    """Compile. Raises ExpressionError for a brace that has no partner and what is in braces and no expression."""
    parts, place = list[str | Expression](), 0
    for found in _BRACES.finditer(text):
        parts += [text[place : found.start()], expression(found[1])]
        place = found.end()
    parts.append(text[place:])
    plain = "".join(part for part in parts if isinstance(part, str))
    if "{" in plain or "}" in plain:
        raise ExpressionError(f"{text[:80]!r}: a brace without its partner; expressions stand as {{path}}")
    return Template(text, tuple(part for part in parts if part != ""))
