"""All faults by name: each a small function with a sentence of what it does."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.plan import Plan
from tests.chaos.stack import Stack

Do = Callable[[Stack], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: it is done once in each run, and heals what it broke before it returns."""

    name: str
    text: str
    do: Do
    plan: Plan
    drain_s: float
    """How long the outboxes may take to get empty afterwards."""
    fresh: bool
    """Whether each run wants a stack of its own."""
    short: bool
    """Whether `make test` does it."""
    slow: bool
    """Whether it takes minutes, and is done only where it is named or SLOW is set."""
    quarantines: bool
    """Whether something belongs into quarantine."""
    destroys: bool
    """Whether it destroys what exists nowhere else: then the ledger must name exactly that."""
    needs_root: bool
    """Whether it mounts something."""


FAULTS: dict[str, Fault] = {}


def fault(
    plan: Plan | None = None,
    *,
    drain_s: float = 120.0,
    fresh: bool = False,
    short: bool = False,
    slow: bool = False,
    quarantines: bool = False,
    destroys: bool = False,
    needs_root: bool = False,
) -> Callable[[Do], Do]:
    """Enter a function under its name; the first line of its docstring says what it does."""

    def enter(do: Do) -> Do:
        text = (do.__doc__ or "").splitlines()[0]
        FAULTS[do.__name__] = Fault(
            do.__name__, text, do, plan or Plan(), drain_s, fresh, short, slow, quarantines, destroys, needs_root
        )
        return do

    return enter
