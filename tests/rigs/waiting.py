"""Waiting for what another task or process does: the only place where a test lets time pass."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

DEADLINE_S = 60.0
_POLL_S = 0.02
_ASKED_S = 0.1
"""Of a server it is asked ever more rarely, up to this: a connection to the database for each question, every 20 ms,
would keep a core half busy with waiting."""


async def until(check: Callable[[], Any], what: str = "", timeout_s: float = DEADLINE_S) -> Any:
    """Wait until an (async) check gives something true; returns it. Fails at the deadline, saying what did not come."""
    try:
        async with asyncio.timeout(timeout_s):
            pause_s = _POLL_S
            while True:
                found = check()
                if inspect.isawaitable(found):
                    found = await found
                    pause_s = min(_ASKED_S, 1.5 * pause_s)
                if found:
                    return found
                await asyncio.sleep(pause_s)
    except TimeoutError:
        raise AssertionError(f"not in {timeout_s} s: {what or check}") from None


async def stays(check: Callable[[], Any], for_s: float, what: str) -> None:
    """Watch for so long that an (async) check stays true; fails at once when it does not.

    Only for what must not happen and would leave no other trace than that it happened.
    """
    end_s = asyncio.get_running_loop().time() + for_s
    while asyncio.get_running_loop().time() < end_s:
        found, pause_s = check(), _POLL_S
        if inspect.isawaitable(found):
            found, pause_s = await found, _ASKED_S
        assert found, f"not for {for_s} s: {what}"
        await asyncio.sleep(pause_s)


async def until_equal(measure: Callable[[], Any], wanted: Any, timeout_s: float = DEADLINE_S) -> None:
    """Wait until a value that an (async) function measures is the wanted one; fails at the deadline with both."""
    found = None

    async def equal() -> bool:
        nonlocal found
        found = measure()
        if inspect.isawaitable(found):
            found = await found
        return bool(found == wanted)

    try:
        await until(equal, timeout_s=timeout_s)
    except AssertionError:
        raise AssertionError(f"waited {timeout_s} s for {wanted!r}, it is {found!r}") from None
