"""The commands that a device knows: what each does, its arguments, and for how long one is waited for by default."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from broker.contract.messages import At, Message, MeterKey, Reason, Short
from broker.errors import ContractError
from broker.plain_errors import plain_reason

REASONS_MAX: Final = 16
MAX_TIMEOUT_S: Final = 86400
"""The longest life of a command."""
MAX_CORRELATION_BYTES: Final = 256


class Nothing(Message):
    """A command without arguments."""


class Identify(Message):
    """Which port to look at again; all without one."""

    port: Annotated[Short, Field(min_length=1)] | None = None


class ReadNow(Message):
    """Which meter to read; all without one."""

    meter: MeterKey | None = None


class PublishFrames(Message):
    """For how long each good frame is published raw beside its readings; 0 ends it. All ports without one."""

    minutes: Annotated[float, Field(ge=0, le=1440)]
    port: Annotated[Short, Field(min_length=1)] | None = None


def _instant(value: object) -> object:
    """A JSON object of arguments has its times as text."""
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError("is no time; write it as 2026-11-23T10:00:00Z") from error


EARLIEST_YEAR: Final = 2000


class ReadProfile(Message):
    """Which span of a meter's own memory to read, and of which meter; all that have one without it."""

    meter: MeterKey | None = None
    since: Annotated[At, BeforeValidator(_instant), Field(alias="from")]
    until: Annotated[At, BeforeValidator(_instant), Field(alias="to")]

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.since.year < EARLIEST_YEAR:
            raise ValueError(f"from is before {EARLIEST_YEAR}, when no meter of today remembered anything")
        if self.since >= self.until:
            raise ValueError("from is not before to")
        return self


class SetMeterClock(Message):
    """Which meter's clock to set; it must be named. `despite_zone` insists where it is whole hours off."""

    meter: MeterKey
    despite_zone: bool = False


class ReadLog(Message):
    """How many days back to read event logs, and of which meter; of all that have one without it."""

    meter: MeterKey | None = None
    days: Annotated[float, Field(gt=0, le=3660)] = 30.0


class CancelProfile(Message):
    """Of which meter reads on command are given up; of all without it."""

    meter: MeterKey | None = None


@dataclass(frozen=True, slots=True)
class CommandKind:
    """One command: its arguments, how long its answer is waited for where nobody says, and what it does."""

    arguments: type[Message]
    timeout_s: int
    summary: str


COMMANDS: Final[dict[str, CommandKind]] = {
    "ping": CommandKind(Nothing, 10, "Answer, with software, boot and uptime."),
    "identify": CommandKind(Identify, 120, "Look at the serial ports again, as if they were new."),
    "read_now": CommandKind(ReadNow, 60, "Read meters at once, whatever their interval, and publish it."),
    "read_profile": CommandKind(ReadProfile, 300, "Read a span (from, to) of meters' own memories and publish it."),
    "set_meter_clock": CommandKind(SetMeterClock, 60, "Set the clock of a meter (DLMS) whose spec allows it."),
    "read_log": CommandKind(ReadLog, 300, "Read the newest days of meters' event logs and tell what is new."),
    "cancel_profile": CommandKind(CancelProfile, 30, "Give up what read_profile asked for and is not read yet."),
    "publish_frames": CommandKind(PublishFrames, 30, "Publish each frame raw for some minutes."),
    "restart": CommandKind(Nothing, 30, "End the agent, so that its supervisor starts it again."),
    "flush_outbox": CommandKind(Nothing, 120, "Hand over all that waits."),
    "retry_config": CommandKind(Nothing, 30, "Try the version again that was reverted."),
}


class CommandRefusedError(ContractError):
    """A command that can't be obeyed; `reasons` name the command or its arguments, and nothing was done."""

    def __init__(self, *reasons: Reason) -> None:
        first = reasons[0]
        super().__init__(first.reason, field=first.field)
        self.reasons = reasons


def refused(field: str, reason: str) -> CommandRefusedError:
    """A refusal for one reason."""
    return CommandRefusedError(Reason(field=field[:256], reason=reason[:4096]))


def read_arguments(command: str, given: Mapping[str, Any]) -> Message:
    """The arguments of a command. Raises CommandRefusedError for an unknown command, and for each wrong argument.

    Other than fields of a message, an argument that is not known is refused: to pass it over would be to do something
    else than was asked for.
    """
    kind = COMMANDS.get(command)
    if kind is None:
        raise refused("command", f"{command[:64]!r} is no command; known are: {', '.join(COMMANDS)}")
    try:
        return kind.arguments.model_validate(dict(given))
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)[:REASONS_MAX]
        known = ", ".join(field.alias or name for name, field in kind.arguments.model_fields.items()) or "none"
        raise CommandRefusedError(*(_reason(problem, known) for problem in problems)) from error


def _reason(problem: Any, known: str) -> Reason:
    field = ".".join(["arguments", *map(str, problem["loc"])])[:256]
    if problem["type"] == "extra_forbidden":
        return Reason(field=field, reason=f"unknown argument; known are: {known}")
    return Reason(field=field, reason=plain_reason(problem)[:1024])
