"""Specs as people wrote them: their text where it is YAML, and the document with its keys in the author's order.

The store keeps documents as jsonb, which has an order of its own.
"""

import json
from typing import Any, Final

import yaml

from broker.errors import ContractError
from meters.specs.catalogue import shipped_text
from meters.specs.document import read_document

WIDTH: Final = 120


class _Plain(yaml.SafeDumper):
    """Without anchors and aliases, which no spec may have, and with blocks for texts of several lines."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  (PyYAML's signature)
        """Write everything out."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        """Items of a list stand deeper than its name."""
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value and value == value.replace("\r", "") and " \n" not in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Plain.add_representer(str, _text)


def yaml_text(document: dict[str, Any]) -> str:
    """A spec document as YAML that meters.specs.spec reads back to an equal spec."""
    return yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=WIDTH)


def author_text(ref: str, sha256: str, source: str) -> str:
    """What the author of a stored spec wrote: of a shipped one its file, else the text that was kept with it."""
    return shipped_text(ref, sha256) or source


def as_written(text: str, document: dict[str, Any]) -> dict[str, Any]:
    """The document with its keys in the order of the author's text; what the text does not say comes last."""
    try:
        written = read_document(text, origin="the author's text")
    except ContractError:
        return document
    ordered: dict[str, Any] = _ordered(document, written)
    return ordered


def _ordered(value: Any, written: Any) -> Any:
    if isinstance(value, dict) and isinstance(written, dict):
        names = [name for name in written if name in value]
        names += [name for name in value if name not in written]
        return {name: _ordered(value[name], written.get(name)) for name in names}
    if isinstance(value, list) and isinstance(written, list) and len(value) == len(written):
        return [_ordered(one, other) for one, other in zip(value, written, strict=True)]
    return value


def as_yaml(source: str, document: dict[str, Any]) -> str:
    """The text of a stored spec for people; comments of its author are kept."""
    try:
        json.loads(source)
    except ValueError:
        return source
    return yaml_text(document)
