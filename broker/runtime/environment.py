"""Settings out of the environment, and what is said to whom they are wrong: one place for every service and command."""

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo

from broker.errors import PermanentError
from broker.plain_errors import plain_reason

_NESTED = "__"
_LINK = re.compile(r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)(_\w+)?)", re.IGNORECASE)
_LOGIN = re.compile(r"//[^/\s]*@")
"""What stands in an address before its host: a name, and often a password."""
_LINKED = ("tcp://", "udp://")
S = TypeVar("S", bound="SettingsBase")


class NoDecode:
    """Marks, in an Annotated type, a field of several values whose variable is no JSON: a validator takes it apart."""


class SettingsConfigDict(ConfigDict, total=False):
    """A model's configuration with what its variables begin with."""

    env_prefix: str


class _UnreadableError(Exception):
    """A variable that can't be taken as it is; the message names it."""


class SettingsBase(BaseModel):
    """What settings classes derive from: a variable of their prefix that sets nothing is an error, not a silence.

    What is passed goes before the environment; there is no third source.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", validate_default=True, env_prefix="", hide_input_in_errors=True
    )

    others: ClassVar[frozenset[str]] = frozenset()
    """Names behind the prefix that something else reads, such as an option of the command."""
    starts_anyway: ClassVar[bool] = False
    """Whether a variable that sets nothing is only logged: nobody is there to mend it."""

    @model_validator(mode="before")
    @classmethod
    def _with_environment(cls, passed: Any) -> Any:
        return _merged(_values(cls), passed) if isinstance(passed, dict) else passed


def _values(settings: type[SettingsBase]) -> dict[str, Any]:
    """What the environment sets, by field; also what sets nothing, so that validation refuses it."""
    found: dict[str, Any] = {}
    for name, value in _behind_prefix(settings):
        top, nested, inner = name.partition(_NESTED)
        field = settings.model_fields.get(top)
        if field is not None and nested and _is_complex(field):
            _put(found.setdefault(top, {}), inner.split(_NESTED), value, field, _prefix(settings) + name.upper())
        elif field is not None and not nested:
            whole = _decoded(value, field, _prefix(settings) + name.upper())
            # single variables go before the whole that is given as JSON, whichever comes first
            found[top] = _merged(whole, found[top]) if top in found else whole
    if not settings.starts_anyway:
        found |= {name: value for name, value in _rest(settings) if name not in found}
    return found


def _put(into: Any, names: list[str], value: str, field: FieldInfo | None, variable: str) -> None:
    """Set one value of a nested model, or of an object."""
    if not isinstance(into, dict):
        whole = variable.rpartition(_NESTED)[0]
        raise _UnreadableError(
            f"{variable} sets a part of {whole}, which has no parts as it is set; leave one of them out"
        )
    model = _model(field)
    inner = model.model_fields.get(names[0]) if model is not None else None
    if len(names) > 1:
        _put(into.setdefault(names[0], {}), names[1:], value, inner, variable)
    else:
        whole = _decoded(value, inner, variable) if inner is not None else value
        into[names[0]] = _merged(whole, into[names[0]]) if names[0] in into else whole


def _merged(under: Any, over: Any) -> Any:
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return over
    return {**under, **{name: _merged(under[name], value) if name in under else value for name, value in over.items()}}


def _decoded(value: str, field: FieldInfo, variable: str) -> Any:
    if not _is_complex(field) or NoDecode in field.metadata:
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise _UnreadableError(f"{variable} is no JSON: {error}") from error


def _is_complex(field: FieldInfo) -> bool:
    """Whether a field holds several values, which one variable gives as JSON."""
    return any(
        isinstance(kind, type) and issubclass(kind, BaseModel | Mapping | list | tuple | set | frozenset)
        for kind in _kinds(field.annotation)
    )


def _kinds(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        for argument in get_args(annotation):
            yield from _kinds(argument)
    elif origin is Annotated:
        yield from _kinds(get_args(annotation)[0])
    else:
        yield origin or annotation


def _behind_prefix(settings: type[SettingsBase]) -> Iterator[tuple[str, str]]:
    """The variables of the prefix without it, in lower case."""
    prefix = _prefix(settings).lower()
    for variable, value in os.environ.items():
        if variable.lower().startswith(prefix):
            yield variable.lower().removeprefix(prefix), value


def _rest(settings: type[SettingsBase]) -> Iterator[tuple[str, str]]:
    """The names behind the prefix that set nothing, and their values."""
    fields = settings.model_fields
    for name, value in _behind_prefix(settings):
        top, nested, _ = name.partition(_NESTED)
        known = top in fields and (not nested or _is_complex(fields[top]))
        if not known and name.upper() not in settings.others and not _is_link(name, value):
            yield name, value


def _is_link(name: str, value: str | None) -> bool:
    """Whether Kubernetes or Docker set it, which tell every container of a service named as ours by such variables."""
    return bool(_LINK.fullmatch(name)) or (name.endswith("port") and str(value).startswith(_LINKED))


def read(settings: type[S]) -> S:
    """Read settings from the environment. Raises PermanentError that names each wrong variable, a line each."""
    try:
        return settings()
    except ValidationError as error:
        raise PermanentError(f"wrong settings:\n{_explained(error, settings)}") from error
    except _UnreadableError as error:
        raise PermanentError(f"wrong settings:\n{error}") from error


def unknown(settings: type[SettingsBase]) -> list[str]:
    """Say which variables of a class's prefix set nothing, and which was meant."""
    known = [*_names(settings), *settings.others]
    return [_unknown(_prefix(settings), name.upper(), known) for name, _ in _rest(settings)]


def _explained(error: ValidationError, settings: type[SettingsBase]) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_input=True):
        name, inner, secret = _place(problem["loc"], settings)
        if problem["type"] == "extra_forbidden" and not inner:
            lines.append(_unknown(_prefix(settings), name, [*_names(settings), *settings.others]))
            continue
        # never a whole of several settings: one of them may be a password; nor what a misspelt one holds
        single = isinstance(problem.get("input"), str | int | float | bool)
        shown = single and not secret and problem["type"] not in ("missing", "extra_forbidden")
        given = f" (got {_LOGIN.sub('//...@', repr(problem['input']))[:80]})" if shown else ""
        # what is wrong of several together has no name of its own
        variable = f"{_prefix(settings)}{name}" if name else f"{_prefix(settings)}..."
        where = f"{variable}:{f' {inner}:' if inner else ''}"
        lines.append(f"{where} {plain_reason(problem)}{given}")
    return "\n".join(lines)


def _place(loc: tuple[str | int, ...], settings: type[BaseModel]) -> tuple[str, str, bool]:
    """The variable's name without its prefix, the place inside of its JSON (or nothing), and whether it is a secret.

    A message never repeats what is: logs are read by others than settings are.
    """
    parts, model, secret = list(loc), settings, False
    names = []
    while parts:
        name = str(parts.pop(0))
        names.append(name.upper())
        field = model.model_fields.get(name)
        secret = field is not None and _is_secret(field.annotation)
        inner = _model(field)
        if inner is None:
            break
        model = inner
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return _NESTED.join(names), path.removeprefix("."), secret


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(map(_is_secret, get_args(annotation)))


def require_known(prefix: str, known: Collection[str]) -> None:
    """Refuse variables of a prefix that set nothing, for a command that takes its settings as options.

    Raises PermanentError that names each, a line each.
    """
    lines = []
    for variable, value in sorted(os.environ.items()):
        name = variable.removeprefix(prefix)
        if name != variable and name not in known and not _is_link(name.lower(), value):
            lines.append(_unknown(prefix, name, known))
    if lines:
        raise PermanentError("wrong settings:\n" + "\n".join(lines))


def _unknown(prefix: str, name: str, known: Collection[str]) -> str:
    import difflib  # noqa: PLC0415 - only a wrong setting needs it, and a Pi has little memory

    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"{prefix}{name} is not a setting; " + (f"did you mean {prefix}{near[0]}?" if near else "unset it")


def _names(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = _model(field)
        if inner is None:
            yield name.upper()
        else:
            yield from (f"{name.upper()}{_NESTED}{each}" for each in _names(inner))


def _model(field: FieldInfo | None) -> type[BaseModel] | None:
    kind = field.annotation if field is not None else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _prefix(settings: type[SettingsBase]) -> str:
    return str(settings.model_config.get("env_prefix", ""))
