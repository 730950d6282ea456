"""Settings out of the environment, and what is said to whom they are wrong: one place for every service and command."""

import difflib
import os
import re
from collections.abc import Collection, Iterator
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from broker.errors import PermanentError
from broker.plain_errors import plain_reason

_NESTED = "__"
_LINK = re.compile(r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)(_\w+)?)", re.IGNORECASE)
_LINKED = ("tcp://", "udp://")
S = TypeVar("S", bound="SettingsBase")


class SettingsBase(BaseSettings):
    """What settings classes derive from: a variable of their prefix that sets nothing is an error, not a silence."""

    model_config = SettingsConfigDict(frozen=True, env_nested_delimiter=_NESTED, extra="forbid")

    others: ClassVar[frozenset[str]] = frozenset()
    """Names behind the prefix that something else reads, such as an option of the command."""
    starts_anyway: ClassVar[bool] = False
    """Whether a variable that sets nothing is only told: nobody is there to mend it."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (pydantic-settings names them)
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is passed goes before the environment; there is no third source."""
        return init_settings, _Environment(settings_cls)


class _Environment(EnvSettingsSource):
    """The environment with every variable of the prefix, so that those which set nothing are refused by validation."""

    def __call__(self) -> dict[str, Any]:
        found = super().__call__()
        if getattr(self.settings_cls, "starts_anyway", False):
            return found
        return found | {name: value for name, value in self.rest() if name not in found}

    def rest(self) -> Iterator[tuple[str, str | None]]:
        """The names behind the prefix that set nothing, and their values."""
        fields, others = self.settings_cls.model_fields, getattr(self.settings_cls, "others", ())
        prefix = self.env_prefix.lower()
        for variable, value in self.env_vars.items():
            name = variable.removeprefix(prefix)
            top, *nested = name.split(_NESTED, 1)
            known = top in fields and (not nested or self.field_is_complex(fields[top]))
            if variable.startswith(prefix) and not known and name.upper() not in others and not _is_link(name, value):
                yield name, value

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Read JSON. Raises ValueError with the variable's name."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError as error:
            raise ValueError(f"{self.env_prefix}{field_name.upper()} is no JSON: {error}") from error


def _is_link(name: str, value: str | None) -> bool:
    """Whether Kubernetes or Docker set it, which tell every container of a service named as ours by such variables."""
    return bool(_LINK.fullmatch(name)) or (name.endswith("port") and str(value).startswith(_LINKED))


def read(settings: type[S]) -> S:
    """Read settings from the environment. Raises PermanentError that names each wrong variable, a line each."""
    try:
        return settings()
    except ValidationError as error:
        raise PermanentError(f"wrong settings:\n{_told(error, settings)}") from error
    except SettingsError as error:
        raise PermanentError(f"wrong settings:\n{error.__cause__ or error}") from error


def unknown(settings: type[SettingsBase]) -> list[str]:
    """Say which variables of a class's prefix set nothing, and which was meant."""
    known = [*_names(settings), *settings.others]
    return [_unknown(_prefix(settings), name.upper(), known) for name, _ in _Environment(settings).rest()]


def _told(error: ValidationError, settings: type[SettingsBase]) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_input=True):
        name, inner = _place(problem["loc"], settings)
        if problem["type"] == "extra_forbidden" and not inner:
            lines.append(_unknown(_prefix(settings), name, [*_names(settings), *settings.others]))
            continue
        # never a whole of several settings: one of them may be a password; nor what a misspelt one holds
        single = isinstance(problem.get("input"), str | int | float | bool)
        shown = single and problem["type"] not in ("missing", "extra_forbidden")
        given = f" (got {problem['input']!r:.80})" if shown else ""
        # what is wrong of several together has no name of its own
        variable = f"{_prefix(settings)}{name}" if name else f"{_prefix(settings)}..."
        where = f"{variable}:{f' {inner}:' if inner else ''}"
        lines.append(f"{where} {plain_reason(problem)}{given}")
    return "\n".join(lines)


def _place(loc: tuple[str | int, ...], settings: type[BaseModel]) -> tuple[str, str]:
    """The variable's name without its prefix, and the place inside of its JSON, which may be empty."""
    parts, model = list(loc), settings
    names = []
    while parts:
        name = str(parts.pop(0))
        names.append(name.upper())
        inner = _model(model.model_fields.get(name))
        if inner is None:
            break
        model = inner
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return _NESTED.join(names), path.removeprefix(".")


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
