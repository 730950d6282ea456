"""What the gateway refuses, in the words of its subject: of which kind, which field, why, and what would do instead.

Neither HTTP nor MQTT is known here: the API makes a status and a problem document of a refusal (`api.problem`), the
console a page, and the inbox the event that a message by hand gets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from broker.errors import ContractError, WattlineError

UNAVAILABLE_S = 5
"""For so long a caller should wait for the database."""


class Kind(Enum):
    """Why something is refused, as far as a caller acts on it."""

    MALFORMED = "it can't be read at all"
    UNIDENTIFIED = "nobody knows who asks"
    FORBIDDEN = "who asks may not do this"
    UNKNOWN = "it names what is not there"
    CONFLICT = "the present state does not allow it"
    STALE = "it was made for a state that has passed"
    INVALID = "it breaks a rule, whatever the state"
    TOO_MANY = "it is too much at once; later it may be taken"
    UNAVAILABLE = "the database is away; later it may be taken"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request or document: the field, what is wrong, and what is wanted."""

    field: str
    reason: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}" + (f"; {self.fix}" if self.fix else "")


class Refusal(WattlineError):  # noqa: N818 - who asks is refused; nothing in the gateway has failed
    """What is asked for is not done; `detail` says so in a sentence, and `faults` name the fields, as far as any do.

    `retry_after_s` says when it may be tried again. With STALE, `current` is the document that holds now and `etag`
    names its state.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        faults: Sequence[Fault] = (),
        *,
        retry_after_s: int | None = None,
        current: Mapping[str, Any] | None = None,
        etag: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.faults = tuple(faults)
        self.retry_after_s = retry_after_s
        self.current = current
        self.etag = etag

    @property
    def field(self) -> str:
        """The field of the first fault, empty where there is none."""
        return self.faults[0].field if self.faults else ""

    @property
    def reason(self) -> str:
        """What is wrong with it; the whole sentence where there is no fault."""
        return self.faults[0].reason if self.faults else self.detail

    @property
    def fix(self) -> str:
        """What would do instead."""
        return self.faults[0].fix if self.faults else ""


def unknown(what: str, name: str) -> Refusal:
    """There is no such device, meter or spec."""
    fault = Fault(what, f"no {what} {name[:100]!r}", f"GET /api/v1/{what}s lists them")
    return Refusal(Kind.UNKNOWN, f"there is no {what} {name[:100]!r}", [fault])


def invalid(field: str, reason: str, fix: str) -> Refusal:
    """One field that breaks a rule."""
    return invalid_fields([Fault(field, reason, fix)])


def invalid_fields(faults: Sequence[Fault]) -> Refusal:
    """Fields that break rules, at least one; the sentence is about the first."""
    return Refusal(Kind.INVALID, str(faults[0]), faults)


def conflict(detail: str, faults: Sequence[Fault] = ()) -> Refusal:
    """The present state of what is named does not allow it, over HTTP a 409; the faults say what would do instead."""
    return Refusal(Kind.CONFLICT, detail, faults)


def forbidden(field: str, reason: str, fix: str) -> Refusal:
    """Who asks is known, and may not."""
    return Refusal(Kind.FORBIDDEN, f"{field}: {reason}; {fix}", [Fault(field, reason, fix)])


def too_many(detail: str, retry_after_s: int) -> Refusal:
    """Too many requests at once, and when to try again."""
    fault = Fault("request", detail, f"try again in {retry_after_s} s")
    return Refusal(Kind.TOO_MANY, detail, [fault], retry_after_s=retry_after_s)


def unavailable() -> Refusal:
    """The database is away."""
    detail = "the database can't be reached right now; try again in a few seconds"
    return Refusal(Kind.UNAVAILABLE, detail, retry_after_s=UNAVAILABLE_S)


def refusal_of(error: ContractError) -> Refusal:
    """A field that a parser of the contract refused, in what somebody asks for."""
    return invalid(error.field, error.reason, error.fix)


def contract_error(refusal: Refusal, within: str = "") -> ContractError:
    """The same about a message that carries what is refused, as its part `within`: its first fault is the error."""
    field = ".".join(part for part in (within, refusal.field) if part)
    return ContractError(refusal.reason, field=field, fix=refusal.fix)
