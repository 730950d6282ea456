"""A mapping applied to a payload: readings by meter, events, and what could not be taken. It never raises."""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from broker.patterns import METER_KEY
from meters.mappings.bodies import BodyError, read_body
from meters.mappings.document import EventRule, Facts, Mapping
from meters.mappings.expressions import ExpressionError, is_true, template
from meters.mappings.instants import Stamp, StampError, read_stamp, resolve
from meters.mappings.quantities import Quantities, quantities_of
from meters.mappings.records import Record, RefusedError, records_of, scope_of
from meters.mappings.topics import match_topic
from meters.mappings.types import NO_VALUES, REPEATED, SKIPPED, Mapped, MappedEvent, MeterFacts, Payload, Sample
from meters.mappings.work import TooMuchError, bounded_work, work_for

MOST_VALUES: Final = 1_000_000
MOST_EVENTS: Final = 10_000
MOST_DETAIL: Final = 2_000
_KEY: Final = re.compile(METER_KEY)
_BETWEEN_WORDS: Final = re.compile(r"[^a-z0-9]+")
_JSON: Final = json.JSONEncoder(default=str)
_NO_CODES: Final = frozenset[str]()


def map_payload(mapping: Mapping, payload: Payload, most_work: int | None = None) -> Mapped:
    """What a payload gives by a mapping, whatever it is; nothing where that takes more steps than `most_work`.

    None is as many as its size allows.
    """
    result = Mapped(key=default_key(payload))
    most = work_for(payload.body) if most_work is None else most_work
    with bounded_work(most) as left:
        try:
            _Application(mapping, payload, result).run()
        except RefusedError as refused:
            result = Mapped(key=result.key)
            result.fault("", refused.field, refused.reason)
        except TooMuchError as error:
            result = Mapped(key=result.key)
            result.fault("", "records", str(error))
    result.work = most - left[0]
    return result


def default_key(payload: Payload) -> str:
    """What names a payload where the mapping says nothing: its sender's key, else its body's digest."""
    return payload.key or hashlib.sha256(payload.body).hexdigest()


@dataclass(frozen=True, slots=True)
class _Row:
    """One record's values, whose time it may take its neighbours to tell."""

    place: str
    stamp: Stamp
    quantities: Quantities


class _Application:
    def __init__(self, mapping: Mapping, payload: Payload, result: Mapped) -> None:
        self._mapping = mapping
        self._payload = payload
        self._result = result
        self._rows: dict[str, list[_Row]] = {}
        self._values = 0

    def run(self) -> None:
        levels = self._levels()
        try:
            document = read_body(self._mapping.format, self._payload.body)
        except BodyError as error:
            raise RefusedError("payload", str(error)) from error
        base = {"_topic": levels, "_body": document}
        self._name(scope_of(document, base))
        for record in records_of(document, self._mapping.records, base, self._result):
            self._take(record)
        for rule in self._mapping.events:
            if rule.records is not None:
                for record in records_of(document, rule.records, base, self._result):
                    self._event(rule, record)
        for meter, rows in self._rows.items():
            self._stamp(meter, rows)
        self._result.meters = {key: facts for key, facts in self._result.meters.items() if key in self._result.readings}

    def _levels(self) -> dict[str, str]:
        patterns, topic = self._mapping.topic, self._payload.topic or ""
        for pattern in patterns:
            levels = match_topic(pattern, topic)
            if levels is not None:
                return levels
        if not patterns:
            return {}
        raise RefusedError("topic", f"{topic[:120]!r} fits none of the mapping's: {', '.join(patterns)[:200]}")

    def _name(self, scope: dict[str, Any]) -> None:
        if self._mapping.key is None:
            return
        try:
            found = template(self._mapping.key).of(scope)
        except ExpressionError as error:
            raise RefusedError("key", str(error)) from error
        if found is None:
            raise RefusedError("key", f"{self._mapping.key} gives nothing")
        self._result.key = found

    def _take(self, record: Record) -> None:
        mapping, result = self._mapping, self._result
        if mapping.skip is not None and is_true(record.value(result, "skip", mapping.skip)):
            result.ignore(SKIPPED)
            return
        faulty = result.faulty
        found = quantities_of(mapping, record, result)
        told = [self._event(rule, record) for rule in mapping.events if rule.records is None]
        if not found.values:
            if not any(told) and result.faulty == faulty:
                result.ignore(NO_VALUES)
            return
        meter = self._meter(record, mapping.meter or "", "meter")
        stamp = self._time(record)
        if meter is None or stamp is None:
            return
        self._values += len(found.values)
        if self._values > MOST_VALUES:
            raise RefusedError("records", f"more than {MOST_VALUES} values")
        if meter not in self._rows:
            self._rows[meter] = []
            result.meters[meter] = self._facts(record)
        self._rows[meter].append(_Row(record.place, stamp, found))

    def _meter(self, record: Record, text: str, field: str) -> str | None:
        """The meter that a record is of; a fault, and None, where it names none."""
        try:
            wanted = template(text)
            found = wanted.of(record.scope)
        except ExpressionError as error:
            self._result.fault(record.place, field, str(error))
            return None
        if found is None:
            self._result.fault(record.place, field, f"{wanted.missing(record.scope)} is missing")
            return None
        key = "_".join(found.split())
        if not _KEY.fullmatch(key):
            self._result.fault(
                record.place, field, f"{key[:100]!r} is no meter's key: 1 to 96 visible ASCII characters"
            )
            return None
        return key

    def _facts(self, record: Record) -> MeterFacts:
        found = dict[str, str]()
        for name in Facts.model_fields:
            text = getattr(self._mapping.facts, name)
            if text is None:
                continue
            try:
                found[name] = (template(text).of(record.scope) or "")[:128]
            except ExpressionError as error:
                self._result.fault(record.place, f"facts.{name}", str(error))
        parent = found.get("parent", "")
        if parent and not _KEY.fullmatch(parent):
            self._result.fault(record.place, "facts.parent", f"{parent[:100]!r} is no meter's key")
            found["parent"] = ""
        return MeterFacts(**found)

    def _time(self, record: Record, path: str | None = None, field: str = "time.at") -> Stamp | None:
        """A record's stamp; a fault, and None, where it is no time."""
        rule = self._mapping.time
        path = path or (rule.at if rule is not None else None)
        if path is None:
            return Stamp(self._payload.received_at)
        faulty = self._result.faulty
        found = record.value(self._result, field, path)
        if self._result.faulty > faulty:
            return None
        try:
            stamp = read_stamp(found, rule.format if rule is not None else ("iso",))
        except StampError as error:
            self._result.fault(record.place, field, str(error))
            return None
        if rule is None or rule.summer is None or stamp.local is None:
            return stamp
        summer = record.value(self._result, "time.summer", rule.summer)
        return Stamp(None, stamp.local, None if summer is None else is_true(summer))

    def _instants(self, stamps: list[Stamp], codes: list[frozenset[str]]) -> list[datetime | None]:
        rule = self._mapping.time
        return resolve(
            stamps, codes, rule.zone if rule is not None else None, self._payload.received_at,
            rule.shift_s if rule is not None else 0,
        )  # fmt: skip

    def _stamp(self, meter: str, rows: list[_Row]) -> None:
        """Give a meter's rows their times: rows of one time become one sample, of equal codes the first counts."""
        codes = [frozenset(row.quantities.values) for row in rows]
        found = dict[datetime, Sample]()
        for row, at in zip(rows, self._instants([row.stamp for row in rows], codes), strict=True):
            if at is None:
                self._result.fault(row.place, "time.at", self._no_time(row.stamp))
                continue
            sample = found.get(at)
            if sample is None:
                found[at] = Sample(at, row.quantities.values, row.quantities.units)
                continue
            for code, value in row.quantities.values.items():
                self._add(row, sample, code, value)
        if found:
            self._result.readings[meter] = [found[at] for at in sorted(found)]

    def _add(self, row: _Row, sample: Sample, code: str, value: Any) -> None:
        if code not in sample.values:
            sample.values[code] = value
            if code in row.quantities.units:
                sample.units[code] = row.quantities.units[code]
        elif sample.values[code] == value:
            self._result.ignore(REPEATED)
        else:
            reason = f"{value:f} at {sample.at.isoformat()}, where the payload has {sample.values[code]:f} before"
            self._result.fault(row.place, f"values.{code}", reason)

    def _no_time(self, stamp: Stamp) -> str:
        if stamp.local is not None and (self._mapping.time is None or self._mapping.time.zone is None):
            return f"{stamp.local} has no offset from UTC; time.zone says in which zone the source writes"
        return f"{stamp.local or stamp.at} is no time of a clock that was set"

    def _event(self, rule: EventRule, record: Record) -> bool:
        """Take an event; whether the record is one."""
        result, number = self._result, self._mapping.events.index(rule)
        field = f"events.{number}"
        if rule.when is not None and not is_true(record.value(result, f"{field}.when", rule.when)):
            return False
        try:
            kind = _BETWEEN_WORDS.sub("_", (template(rule.kind).of(record.scope) or "").lower()).strip("_")[:64]
        except ExpressionError as error:
            result.fault(record.place, f"{field}.kind", str(error))
            return False
        if not kind or not kind[0].isalpha():
            result.fault(record.place, f"{field}.kind", "gives no name that begins with a letter")
            return False
        stamp = self._time(record, rule.at, f"{field}.at" if rule.at else "time.at")
        at = self._instants([stamp], [_NO_CODES])[0] if stamp is not None else None
        if stamp is not None and at is None:
            result.fault(record.place, f"{field}.at", self._no_time(stamp))
        meter, text = None, rule.meter or self._mapping.meter
        if text is not None:
            named = _names_something(text, record)
            meter = self._meter(record, text, f"{field}.meter") if rule.meter is not None or named else None
            if meter is None and (rule.meter is not None or named):
                return True
        if at is None:
            return True
        if len(result.events) >= MOST_EVENTS:
            raise RefusedError("events", f"more than {MOST_EVENTS} events")
        detail = {
            name: _bounded(record.value(result, f"{field}.detail.{name}", path)) for name, path in rule.detail.items()
        }
        result.events.append(MappedEvent(kind, at, meter, rule.severity, detail))
        return True


def _names_something(text: str, record: Record) -> bool:
    try:
        return template(text).of(record.scope) is not None
    except ExpressionError:
        return False


def _bounded(value: Any) -> Any:
    """A detail as it stands, or the beginning of its text where it is long."""
    text = ""
    for part in _JSON.iterencode(value):
        # no further: it may be all of the payload, for each of its events
        text += part[: MOST_DETAIL + 1]
        if len(text) > MOST_DETAIL:
            return text[:MOST_DETAIL]
    return value
