"""The records of a payload: where they stand in it, and what expressions on each may look at."""

from collections.abc import Iterator
from collections.abc import Mapping as Table
from dataclasses import dataclass
from typing import Any, Final

from meters.mappings.bodies import Unreadable
from meters.mappings.expressions import ExpressionError, expression
from meters.mappings.types import Mapped
from meters.mappings.work import spend

MOST_RECORDS: Final = 200_000


class RefusedError(Exception):
    """A payload of which nothing can be taken: the field of the mapping, and why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its place for people, '' of one alone, and its members with `_topic`, `_body`, `_parent`."""

    place: str
    scope: Table[str, Any]

    def value(self, result: Mapped, field: str, path: str) -> Any:
        """What an expression finds in it; a fault of the mapping's field, and None, where it fails."""
        try:
            return expression(path).of(self.scope)
        except ExpressionError as error:
            result.fault(self.place, field, str(error))
            return None


def scope_of(item: Any, base: dict[str, Any]) -> dict[str, Any]:
    """What expressions look at: an object's members, or `value` for what is none."""
    spend(1 + (len(item) >> 3 if isinstance(item, dict) else 0))
    return {**item, **base} if isinstance(item, dict) else {"value": item, **base}


def records_of(document: Any, steps: tuple[str, ...], base: dict[str, Any], result: Mapped) -> Iterator[Record]:
    """The records behind all steps, in their order. Raises RefusedError for too many and a step that fails.

    Without a step a list's members are the records, and an object is one.
    """
    found = [(one, base) for one in _members(document)] if not steps else [(document, base)]
    for step in steps:
        found = list(_next(step, found))
    if len(found) > MOST_RECORDS:
        raise RefusedError("records", f"{len(found)} records; at most {MOST_RECORDS}")
    for number, (item, above) in enumerate(found, 1):
        if isinstance(item, Unreadable):
            result.fault("", "payload", str(item))
            continue
        yield Record(f"record {number}" if len(found) > 1 else "", scope_of(item, above))


def _next(step: str, found: list[tuple[Any, dict[str, Any]]]) -> Iterator[tuple[Any, dict[str, Any]]]:
    count = 0
    for item, above in found:
        scope = scope_of(item, above)
        try:
            members = _members(expression(step).of(scope))
        except ExpressionError as error:
            raise RefusedError("records", str(error)) from error
        count += len(members)
        if count > MOST_RECORDS:
            raise RefusedError("records", f"more than {MOST_RECORDS} records")
        below = {**above, "_parent": scope}
        for one in members:
            yield one, below


def _members(found: Any) -> list[Any]:
    if found is None:
        return []
    return found if isinstance(found, list) else [found]
