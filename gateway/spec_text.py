"""Specs as text that people edit: the author's own where it is YAML, else made from the document."""

import json
from typing import Any, Final

import yaml

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
    """A spec document as YAML that meters.spec reads back to an equal spec."""
    return yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=WIDTH)


def as_yaml(source: str, document: dict[str, Any]) -> str:
    """The text of a stored spec for people; comments of its author are kept."""
    try:
        json.loads(source)
    except ValueError:
        return source
    return yaml_text(document)
