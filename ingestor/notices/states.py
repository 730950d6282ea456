"""States that rules are about, asked of the store once for all rules that ask the same."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final, TypeAlias

from ingestor.notices import store
from ingestor.notices.store import State
from store.notices.rules import Rule
from store.sql import Database

Question: TypeAlias = tuple[object, ...]
"""What is asked: the kind and its limits. Rules whose questions are equal are given the same answer."""
_LASTING: Final[Mapping[str, Callable[[Database, timedelta], Awaitable[list[State]]]]] = {
    "offline": store.state_offline,
    "silent": store.state_silent,
    "gap": store.state_gap,
    "unknown_meter": store.state_unknown_meter,
    "key_wanted": store.state_key_wanted,
    "enrolment": store.state_enrolment,
    "certificate": store.state_certificate,
}


def question_of(rule: Rule) -> Question:
    """What a rule about a state asks."""
    if rule.about == "threshold":
        return rule.about, rule.obis, rule.lasting_min, rule.above, rule.below
    if rule.about == "consumption":
        return rule.about, limit_kwh(rule)
    return rule.about, rule.lasting_min


def limit_kwh(rule: Rule) -> float:
    """The energy of a day beyond which it is told; a cost is an energy by its price."""
    limits = [] if rule.above_kwh is None else [rule.above_kwh]
    if rule.above_cost is not None and rule.price_per_kwh:
        limits.append(rule.above_cost / rule.price_per_kwh)
    return min(limits, default=float("inf"))


async def asked(database: Database, rule: Rule) -> list[State]:
    """The states that there are now, each subject once."""
    lasting = timedelta(minutes=rule.lasting_min)
    if rule.about == "threshold":
        found = await store.state_threshold(database, rule.obis or "", lasting, rule.above, rule.below)
    elif rule.about == "consumption":
        found = await store.state_consumption(database, limit_kwh(rule))
    else:
        found = await _LASTING[rule.about](database, lasting)
    return list({one.subject: one for one in found}.values())
