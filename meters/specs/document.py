"""Reading of spec documents as remote input: YAML or JSON, bounded, without anchors, aliases, tags or repeated keys."""

import json
from typing import Any

from broker.errors import ContractError
from meters.specs.bounds import MAX_DEPTH, MAX_DOCUMENT_BYTES, RefusedError


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RefusedError(f"key {twice[:64]} stands twice", "", "keep one of them")
    return result


def _no_constant(name: str) -> Any:
    raise RefusedError(f"{name} is no number", "", "give a finite number")


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
        raise RefusedError(f"nested deeper than {MAX_DEPTH}", "", f"at most {MAX_DEPTH} levels")
    return document


def _read_yaml(text: str, *, shipped: bool) -> Any:
    # only where it is needed: a device gets its specs as JSON, and PyYAML takes a MiB of its memory
    from meters.specs.yaml_document import read_yaml  # noqa: PLC0415

    return read_yaml(text, shipped=shipped)


def read_document(text: str | bytes, *, origin: str, shipped: bool = False) -> dict[str, Any]:
    """The mapping that a YAML or JSON document holds; numbers with a fraction come as text.

    One that is `shipped` is read faster and held to no bounds: a test holds it to them. Raises ContractError that names
    the origin and the line where the document breaks a bound.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise ContractError(f"{len(raw)} bytes", field=origin, fix=f"at most {MAX_DOCUMENT_BYTES} bytes a spec")
    try:
        decoded = raw.decode("utf-8")
        document = _read_json(decoded) if decoded.lstrip()[:1] == "{" else _read_yaml(decoded, shipped=shipped)
    except RefusedError as error:
        field = f"{origin}, {error.place}" if error.place else origin
        raise ContractError(str(error), field=field, fix=error.fix) from error
    except UnicodeDecodeError as error:
        raise ContractError("no UTF-8 text", field=origin, fix="save the spec as UTF-8") from error
    except (ValueError, RecursionError) as error:
        reason = str(error).split("\n", 1)[0][:200] or type(error).__name__
        raise ContractError(reason, field=origin, fix="give one YAML or JSON mapping") from error
    if not isinstance(document, dict):
        raise ContractError("no mapping", field=origin, fix="give one YAML or JSON mapping")
    return document
