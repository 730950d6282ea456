"""What happened, found once: events out of their queue, states compared with those of before; then told by the rules.

All of a step is one transaction, and one worker at a time does it: what a rule has found is neither lost nor told
twice, whoever dies when.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

import structlog
from pydantic import ValidationError

from ingestor.notices.metrics import NoticeMetrics
from ingestor.notices.states import Question, asked, question_of
from ingestor.notices.store import (
    State,
    StoredRule,
    TakenEvent,
    Tellable,
    add_found_events,
    add_found_states,
    add_notice,
    end_found_states,
    found_of_rule,
    hold_notices,
    note_told,
    notice_labels,
    notice_rules,
    take_notice_events,
)
from store.notices.kinds import KINDS, STATES
from store.notices.messages import SHOWN, Found, Phase, may_speak, message
from store.notices.rules import Rule
from store.notices.template import MAX_TEXT
from store.pool import Pool
from store.sql import Connection

log = structlog.get_logger()
PORTION: Final = 2000
"""Events in one transaction."""
MOST_FOUND: Final = 10_000
"""Events of a rule that wait to be told; those beyond are counted, and the message says how many."""
MOST_WAITING: Final = 1000
"""Messages that wait for a channel; further ones are dead at once, for a person to replay. Each has 50 KB at most."""
TRIES: Final = 40
"""Attempts at a message: about a day and a half, as the pauses grow up to an hour."""
Columns: TypeAlias = tuple[
    list[str], list[str | None], list[str | None], list[str], list[datetime], list[float | None], list[str]
]
"""What was found, as unnest takes it."""
_PHASES: Final[tuple[Phase, ...]] = ("begun", "still", "over")


@dataclass(frozen=True, slots=True)
class ActiveRule:
    """A rule, read."""

    stored: StoredRule
    rule: Rule

    @property
    def name(self) -> str:
        """Its name."""
        return self.stored.name


class Finder:
    """Finds and tells; one a worker."""

    def __init__(self, pool: Pool, metrics: NoticeMetrics, zone: str) -> None:
        self._pool = pool
        self._metrics = metrics
        self._zone = zone
        self._asked_at: dict[str, tuple[Question, float]] = {}
        """When a rule's states were asked for last, monotonic."""

    async def events(self) -> bool:
        """Give the rules the next events; True where more wait."""
        async with self._pool.acquire() as connection, connection.transaction():
            if not await hold_notices(connection):
                return False
            rules = [one for one in _read(await notice_rules(connection)) if one.rule.names]
            taken = await take_notice_events(connection, PORTION)
            labels = await _labels(connection, rules, (one.device for one in taken))
            for one in rules:
                found = [_found(event) for event in taken if _concerns(one.rule, event, labels)]
                if found:
                    await add_found_events(connection, one.name, *_columns(found), MOST_FOUND)
                    self._metrics.found.labels(one.rule.about).inc(len(found))
        return len(taken) == PORTION

    async def states(self) -> None:
        """Compare the states that rules are about with those that they knew, each kind as often as it is worth."""
        async with self._pool.acquire() as connection, connection.transaction():
            if not await hold_notices(connection):
                return
            answers: dict[Question, list[State]] = {}
            for one in self._due(_read(await notice_rules(connection))):
                question = question_of(one.rule)
                if question not in answers:
                    answers[question] = await asked(connection, one.rule)
                await self._compare(connection, one, answers[question])

    def _due(self, rules: Sequence[ActiveRule]) -> list[ActiveRule]:
        now_s, due = time.monotonic(), []
        for one in rules:
            if one.rule.about in STATES:
                question, at_s = self._asked_at.get(one.name, ((), 0.0))
                if question != question_of(one.rule) or now_s >= at_s + KINDS[one.rule.about].every_s:
                    due.append(one)
                    self._asked_at[one.name] = (question_of(one.rule), now_s)
        return due

    async def _compare(self, connection: Connection, one: ActiveRule, states: Sequence[State]) -> None:
        kind, rule = KINDS[one.rule.about], one.rule
        labels = await _labels(connection, [one], (state.device for state in states))
        present = [
            Found(state.subject, state.device, state.meter, kind.severity, state.since, state.value, state.detail or "")
            for state in states
            if rule.holds(labels.get(state.device or ""), state.meter)
        ]
        await add_found_states(connection, one.name, *_columns(present))
        told = rule.resolved and kind.resolves
        await end_found_states(connection, one.name, [state.subject for state in present], told)

    async def tell(self) -> int:
        """Have each rule that may speak say what it has found; how many messages that makes."""
        made = 0
        async with self._pool.acquire() as connection, connection.transaction():
            if not await hold_notices(connection):
                return 0
            for one in _read(await notice_rules(connection)):
                made += await self._tell(connection, one)
        return made

    async def _tell(self, connection: Connection, one: ActiveRule) -> int:
        rule, made, now = one.rule, 0, datetime.now(UTC)
        repeat = timedelta(hours=rule.repeat_h) if rule.repeat_h else None
        found = await found_of_rule(connection, one.name, repeat, SHOWN)
        if not found or not may_speak(
            rule, self._zone, now, one.stored.told_at, min(tellable.oldest_at for tellable in found)
        ):
            return 0
        for phase in _PHASES:
            items = [tellable for tellable in found if tellable.phase == phase]
            if items:
                more = one.stored.more if phase == "begun" else 0
                said = message(one.name, rule, phase, [_of(item) for item in items], items[0].total, more, now)
                await add_notice(
                    connection, said.id, one.name, rule.channel, said.event, said.title, said.text, TRIES, MOST_WAITING
                )
                await note_told(connection, one.name, phase, repeat)
                self._metrics.made.labels(rule.about).inc()
                log.info("notice_made", rule=one.name, channel=rule.channel, phase=phase, count=items[0].total + more)
                made += 1
        return made


def _read(stored: Iterable[StoredRule]) -> list[ActiveRule]:
    rules = []
    for one in stored:
        try:
            rules.append(ActiveRule(one, Rule.model_validate(one.document)))
        except ValidationError as error:
            # of a newer Wattline: the others go on
            log.warning("notice_rule_not_read", rule=one.name, reason=str(error.errors(include_url=False)[0]["msg"]))
    return rules


async def _labels(
    connection: Connection, rules: Sequence[ActiveRule], devices: Iterable[str | None]
) -> dict[str, dict[str, str]]:
    """Labels and facts by device, where some rule asks for them."""
    if not any(one.rule.labels for one in rules):
        return {}
    names = sorted({device for device in devices if device is not None})
    return {one.device: dict(one.labels) for one in await notice_labels(connection, names)}


def _concerns(rule: Rule, event: TakenEvent, labels: Mapping[str, dict[str, str]]) -> bool:
    return rule.takes(event.event, event.severity) and rule.holds(labels.get(event.device or ""), event.meter)


def _found(event: TakenEvent) -> Found:
    facts = ", ".join(f"{name}: {value}" for name, value in event.detail.items() if value not in (None, "", [], {}))
    detail = f"{event.event}. {facts}"[:MAX_TEXT]
    return Found(f"event {event.id}", event.device, event.meter, event.severity, event.at, None, detail)


def _of(one: Tellable) -> Found:
    return Found(one.subject, one.device, one.meter, one.severity, one.since, one.value, one.detail)


def _columns(found: Sequence[Found]) -> Columns:
    """By columns, as unnest wants them."""
    return (
        [one.subject for one in found], [one.device for one in found], [one.meter for one in found],
        [one.severity for one in found], [one.since for one in found], [one.value for one in found],
        [one.detail for one in found],
    )  # fmt: skip
