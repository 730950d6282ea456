"""What is fuzzed: parsers by name, each with good inputs to start from and the errors that it may answer with."""

from collections.abc import Callable
from dataclasses import dataclass

from broker.errors import WattlineError

Try = Callable[[bytes], None]
Mend = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Target:
    """One parser: `attempt` gives it an input, and may raise one of `known` only."""

    name: str
    attempt: Try
    seeds: tuple[bytes, ...]
    known: tuple[type[Exception], ...]
    share: int
    """Of all inputs, against those of the others: what is fast gets more."""
    mend: Mend | None = None
    """Makes the checks of a mutated input right again, so that what lies behind them is reached; half of all get it."""


Make = Callable[[], Target]
TARGETS: dict[str, Make] = {}


def target(
    name: str,
    seeds: Callable[[], tuple[bytes, ...]],
    *,
    known: tuple[type[Exception], ...] = (WattlineError,),
    share: int = 10,
    mend: Mend | None = None,
) -> Callable[[Callable[[], Try]], Callable[[], Try]]:
    """Enter what makes an attempt, under a name; seeds and parsers are made in the process that uses them."""

    def enter(make: Callable[[], Try]) -> Callable[[], Try]:
        TARGETS[name] = lambda: Target(name, make(), seeds(), known, share, mend)
        return make

    return enter
