"""What `--help` says of a service's settings: every environment variable with its default and its meaning."""

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from broker.runtime.settings import ProcessSettings

WIDTH = 78
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable; `default` is None where the variable is required, `meaning` may be empty."""

    name: str
    default: str | None
    meaning: str


def variables(settings: type[ProcessSettings]) -> tuple[Variable, ...]:
    """All variables of a service, the required ones first, those of nested models by their full names."""
    found = _variables(settings, str(settings.model_config.get("env_prefix", "")))
    return tuple(sorted(found, key=lambda variable: variable.default is not None))


def settings_help(settings: type[ProcessSettings]) -> str:
    """The variables as the epilog of a click command."""
    # click leaves a paragraph that starts with \b as it is
    return "\n".join(["\b", "Settings, read from the environment:", *map(_entry, variables(settings))])


def _entry(variable: Variable) -> str:
    state = "required" if variable.default is None else variable.default
    meaning = textwrap.wrap(variable.meaning, WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
    return "\n".join([f"  {variable.name} ({state})", *meaning])


def _variables(model: type[BaseModel], prefix: str, given: BaseModel | None = None) -> Iterator[Variable]:
    """The variables of a model; `given` holds the values that a nested one has where nothing is set."""
    documented = _docstrings(model)
    for name, field in model.model_fields.items():
        variable = prefix + name.upper()
        default = field.get_default(call_default_factory=True) if given is None else getattr(given, name)
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _variables(inner, f"{variable}__", default if isinstance(default, BaseModel) else None)
            continue
        required = given is None and field.is_required()
        yield Variable(variable, None if required else _default(default), _meaning(field, documented.get(name, "")))


def _default(value: Any) -> str:
    return "optional" if value is None or value == () else f"default {value}"


def _meaning(field: FieldInfo, docstring: str) -> str:
    words = [field.description or docstring]
    if get_origin(field.annotation) is Literal:
        words.append(f"One of: {', '.join(map(str, get_args(field.annotation)))}.")
    return " ".join(word for word in words if word)


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The strings that stand below a model's fields; a subclass's goes before its base's."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if not issubclass(kind, BaseModel) or kind.__module__.startswith("pydantic"):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
        statements = body.body if isinstance(body, ast.ClassDef) else []
        for statement, following in itertools.pairwise(statements):
            match statement, following:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = " ".join(text.split())
    return found
