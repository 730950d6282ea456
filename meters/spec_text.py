"""Reading of spec documents as remote input: YAML or JSON, bounded, without anchors, aliases, tags or repeated keys."""

import json
import re
from typing import Any, Final

import yaml

from broker.errors import ContractError

MAX_DOCUMENT_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 12
MAX_NODES: Final = 20_000


class _Refused(Exception):  # noqa: N818  (an inner signal, turned into ContractError at the border)
    """A document beyond the bounds; `place` says where, `fix` what is wanted."""

    def __init__(self, reason: str, place: str, fix: str) -> None:
        super().__init__(reason)
        self.place = place
        self.fix = fix


class _SpecLoader(yaml.SafeLoader):
    """SafeLoader less what a spec does not need: plain scalars are null, true, false, whole numbers or text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (PyYAML reads it from the class)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        place = f"line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _Refused("anchor or alias", place, "write the value out")
        if event.tag is not None:
            raise _Refused(f"tag {event.tag}", place, "leave the tag out")
        self._depth += 1
        self._nodes += 1
        if self._depth > MAX_DEPTH:
            raise _Refused(f"nested deeper than {MAX_DEPTH}", place, f"at most {MAX_DEPTH} levels")
        if self._nodes > MAX_NODES:
            raise _Refused(f"more than {MAX_NODES} values", place, f"at most {MAX_NODES} values")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: ARG002  (PyYAML's signature)
        seen: set[str] = set()
        for key, _ in node.value:
            place = f"line {key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                raise _Refused("a key that is no text", place, "use text as the key")
            if key.value in seen:
                raise _Refused(f"key {key.value[:64]} stands twice", place, "keep one of them")
            seen.add(key.value)
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}


_SpecLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:null|~|)$"), ["n", "~", ""])
_SpecLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), ["t", "f"])
_SpecLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9][0-9]{0,14})$"), list("-0123456789")
)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Refused(f"key {twice[:64]} stands twice", "", "keep one of them")
    return result


def _no_constant(name: str) -> Any:
    raise _Refused(f"{name} is no number", "", "give a finite number")


def _depth(value: Any) -> int:
    """How deep a JSON document nests, without recursion."""
    deepest, layer = 0, [value]
    while layer:
        deepest += 1
        layer = [
            child
            for item in layer
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return deepest


def _read_json(text: str) -> Any:
    # Decimals stand as text in a spec document: parse_float=str keeps what was written, digit for digit.
    document = json.loads(text, object_pairs_hook=_unique, parse_float=str, parse_constant=_no_constant)
    if _depth(document) > MAX_DEPTH:
        raise _Refused(f"nested deeper than {MAX_DEPTH}", "", f"at most {MAX_DEPTH} levels")
    return document


def read_document(text: str | bytes, *, origin: str) -> dict[str, Any]:
    """The mapping that a YAML or JSON document holds; numbers with a fraction come as text.

    Raises ContractError that names the origin and the line where the document breaks a bound.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise ContractError(f"{len(raw)} bytes", field=origin, fix=f"at most {MAX_DOCUMENT_BYTES} bytes a spec")
    try:
        decoded = raw.decode("utf-8")
        document = _read_json(decoded) if decoded.lstrip()[:1] == "{" else yaml.load(decoded, _SpecLoader)  # noqa: S506  (a SafeLoader)
    except _Refused as error:
        field = f"{origin}, {error.place}" if error.place else origin
        raise ContractError(str(error), field=field, fix=error.fix) from error
    except UnicodeDecodeError as error:
        raise ContractError("no UTF-8 text", field=origin, fix="save the spec as UTF-8") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ContractError(_first_line(error), field=origin, fix="give one YAML or JSON mapping") from error
    if not isinstance(document, dict):
        raise ContractError("no mapping", field=origin, fix="give one YAML or JSON mapping")
    return document


def _first_line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem or 'no YAML'} in line {error.problem_mark.line + 1}"
    return str(error).split("\n", 1)[0][:200] or type(error).__name__
