"""Spec documents in YAML: bounded, without anchors, aliases, tags or repeated keys."""

import re
from typing import TYPE_CHECKING, Any

import yaml

from meters.specs.bounds import MAX_DEPTH, MAX_NODES, RefusedError

if TYPE_CHECKING:
    _Fast = yaml.SafeLoader
else:
    # libyaml's, which nearly every PyYAML has, and which takes a tenth of the time
    _Fast = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Plain(yaml.constructor.SafeConstructor, yaml.resolver.Resolver):
    """What a spec needs of YAML: keys are text, plain scalars are null, true, false, whole numbers or text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (PyYAML reads it from the class)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: ARG002  (PyYAML's signature)
        seen: set[str] = set()
        for key, _ in node.value:
            place = f"line {key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                raise RefusedError("a key that is no text", place, "use text as the key")
            if key.value in seen:
                raise RefusedError(f"key {key.value[:64]} stands twice", place, "keep one of them")
            seen.add(key.value)
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}


class _ShippedLoader(_Plain, _Fast):
    """For what Wattline ships, which knows no bounds: a test has the other loader read the same."""


class _SpecLoader(_Plain, yaml.SafeLoader):
    """For what others write: within bounds, and of no more than a spec needs."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        place = f"line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise RefusedError("anchor or alias", place, "write the value out")
        if event.tag is not None:
            raise RefusedError(f"tag {event.tag}", place, "leave the tag out")
        self._depth += 1
        self._nodes += 1
        if self._depth > MAX_DEPTH:
            raise RefusedError(f"nested deeper than {MAX_DEPTH}", place, f"at most {MAX_DEPTH} levels")
        if self._nodes > MAX_NODES:
            raise RefusedError(f"more than {MAX_NODES} values", place, f"at most {MAX_NODES} values")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


_Plain.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:null|~|)$"), ["n", "~", ""])
_Plain.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), ["t", "f"])
_Plain.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9][0-9]{0,14})$"), list("-0123456789"))


def read_yaml(text: str, *, shipped: bool = False) -> Any:
    """What a document holds. Raises RefusedError beyond the bounds, and ValueError for what is no YAML."""
    try:
        return yaml.load(text, _ShippedLoader if shipped else _SpecLoader)  # noqa: S506  (both are SafeLoaders)
    except yaml.MarkedYAMLError as error:
        if error.problem_mark is None:
            raise ValueError(str(error)) from error
        raise ValueError(f"{error.problem or 'no YAML'} in line {error.problem_mark.line + 1}") from error
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
