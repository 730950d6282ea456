"""What came of an attempt, and when there is another one. Pure functions."""

import random
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from urllib.parse import unquote

from broker.retry_after import retry_after_s

MAX_ANSWER: Final = 500
"""Characters of an answer that are kept."""
MOST_PLAIN: Final = 5
"""Parts of a URL that are no longer hide nothing: they would take words out of what is said."""
FIRST_S: Final = 5.0
CAP_S: Final = 3600.0
MOST_ASKED_S: Final = 6 * 3600.0
"""The longest that somebody's Retry-After is obeyed."""
_MAY_HEAL: Final = (408, 409, 423, 425, 429)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`sent`, `again` later, or `dead`: no repetition would help."""

    state: Literal["sent", "again", "dead"]
    answer: str
    retry_after_s: float | None = None


def judged(status: int, said: str, retry_after: str | None, now: datetime) -> Outcome:
    """What an HTTP answer means: only 2xx is a yes, and a redirect is not followed."""
    answer = f"HTTP {status}" + (f": {said}" if said else "")
    if 200 <= status < 300:
        return Outcome("sent", answer[:MAX_ANSWER])
    if status >= 500 or status in _MAY_HEAL:
        return Outcome("again", answer[:MAX_ANSWER], retry_after_s(retry_after, now, MOST_ASKED_S))
    why = "; redirects are not followed" if 300 <= status < 400 else ""
    return Outcome("dead", answer[: MAX_ANSWER - len(why)] + why)


def without(said: str, url: str) -> str:
    """What somebody said without anything of a URL behind its host: that is a secret, and errors like to quote it."""
    tail = re.sub(r"^[a-z]+://[^/?#]*", "", url)
    parts = {tail, *re.split(r"[/?&=#@:]", tail)}
    for part in sorted((one for one in (*parts, *map(unquote, parts)) if len(one) > MOST_PLAIN), key=len, reverse=True):
        said = said.replace(part, "***")
    return said


def pause(failures: int, asked_s: float | None) -> timedelta:
    """How long a channel rests after so many failures in a row: doubling, half of it chance, at least what it asked."""
    ceiling_s = min(CAP_S, FIRST_S * 2.0 ** min(max(failures - 1, 0), 16))
    own_s = random.uniform(ceiling_s / 2, ceiling_s)  # noqa: S311 - jitter needs no cryptography
    return timedelta(seconds=max(own_s, asked_s or 0.0))
