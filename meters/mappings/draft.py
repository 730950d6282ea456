"""A mapping proposed from one payload: YAML for an engineer to read, correct and give to a source."""

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, Final

from broker.contract.obis import unit_is_open
from broker.errors import ContractError
from meters.mappings.apply import map_payload
from meters.mappings.bodies import BodyError, read_body
from meters.mappings.document import Form, Mapping
from meters.mappings.field_names import Guess, guess_quantity, is_time, meter_rank
from meters.mappings.instants import StampError, read_stamp
from meters.mappings.load import load_mapping
from meters.mappings.numbers import NumberError, number_of
from meters.mappings.sample_paths import leaves_of, name_of, place_of, record_of
from meters.mappings.sniffing import sniff
from meters.mappings.types import Mapped, Payload

MOST_GOLDEN: Final = 8_000
"""Bytes of a sample that becomes a golden."""
MOST_VALUES: Final = 60
MOST_NAMED: Final = 20
"""Names that a note of what is left out lists."""
_PATTERNS: Final = (
    "iso", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S",
    "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%Y%m%d%H%M%S", "%Y%m%d%H%M",
)  # fmt: skip
_ZONE: Final = "Europe/Berlin"


@dataclass(frozen=True, slots=True)
class MappingDraft:
    """A proposal, and what of it is a guess or left to say."""

    text: str
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Draft:
    form: Form
    records: str = ""
    meter: str = ""
    time: tuple[str, str, bool] | None = None
    """Expression, format, and whether it wants a zone."""
    values: dict[str, tuple[str, Guess]] = field(default_factory=dict)
    by_code: tuple[str, str, str | None] | None = None
    second: dict[str, str] = field(default_factory=dict)
    """By path, why a name that is known isn't taken."""
    topic: str = ""
    notes: list[str] = field(default_factory=list)


def draft_mapping(sample: Payload) -> MappingDraft:
    """Propose a mapping that reads this payload, whatever it is; what is guessed says so."""
    form, notes = sniff(sample)
    draft = _Draft(form, notes=notes)
    document: Any = None
    try:
        document = read_body(form, sample.body)
    except BodyError as error:
        draft.notes.append(f"it can't be read as {form.type}: {error}")
    path, record = record_of(document)
    draft.records = path
    leaves = list(leaves_of(record))
    above = [("_body." + where, value) for where, value in leaves_of(document) if path]
    _take_meter(draft, leaves, above, sample)
    _take_time(draft, leaves)
    _take_values(draft, leaves)
    _say_left_out(draft, [*leaves, *above])
    bare = _text(draft)
    proof = _proof(bare, sample)
    return MappingDraft(bare + proof, tuple(draft.notes))


def _take_meter(draft: _Draft, leaves: list[tuple[str, Any]], above: list[tuple[str, Any]], sample: Payload) -> None:
    ranked = sorted(
        (rank, number, where)
        for number, (where, value) in enumerate([*leaves, *above])
        if (rank := meter_rank(name_of(where))) is not None and len(str(value)) <= 64 and not isinstance(value, float)
    )
    if sample.topic:
        levels = sample.topic.split("/")
        place = max(
            range(len(levels)), key=lambda one: (bool(re.search(r"\d", levels[one])), 0 < one < len(levels) - 1)
        )
        draft.topic = "/".join("{meter}" if number == place else level for number, level in enumerate(levels))
        if not ranked or ranked[0][0] > 2:
            draft.meter = "ACME:{_topic.meter}"
            draft.notes.append(f"meter: taken from the topic's level {place + 1}, {levels[place]!r}")
            return
    if not ranked:
        draft.meter = "ACME:1"
        draft.notes.append("meter: nothing in the payload names one; ACME:1 stands for all of the source")
        return
    draft.meter = f"ACME:{{{ranked[0][2]}}}"
    draft.notes.append(f"meter: {ranked[0][2]} looks like its id; write the manufacturer's letters for ACME")


def _take_time(draft: _Draft, leaves: list[tuple[str, Any]]) -> None:
    for where, value in leaves:
        if not is_time(name_of(where)):
            continue
        found = _format_of(value)
        if found is not None:
            draft.time = (where, *found)
            if found[1]:
                draft.notes.append(f"time.zone: {where} states no offset; {_ZONE} is a guess")
            return
    draft.notes.append("time: none was found; readings get the time at which the payload is received")


def _format_of(value: Any) -> tuple[str, bool] | None:
    text = str(value).strip()
    if re.fullmatch(r"\d{9,10}(\.\d+)?", text):
        return "s", False
    if re.fullmatch(r"\d{12,13}|\d{15,16}", text):
        return ("ms" if len(text) <= 13 else "us"), False
    for layout in _PATTERNS:
        try:
            stamp = read_stamp(value, (layout,))
        except StampError:
            continue
        return layout, stamp.at is None
    return None


def _take_values(draft: _Draft, leaves: list[tuple[str, Any]]) -> None:
    by_name = {name_of(where).lower(): where for where, _ in leaves}
    code = next((by_name[name] for name in ("obis", "obis_code", "obiscode", "register_id") if name in by_name), None)
    value = next((by_name[name] for name in ("value", "v", "val", "reading", "wert") if name in by_name), None)
    if code is not None and value is not None:
        draft.by_code = (code, value, by_name.get("unit") or by_name.get("einheit"))
        return
    for where, given in leaves:
        if draft.time is not None and where == draft.time[0]:
            continue
        guess = guess_quantity(name_of(where)) or guess_quantity("".join(place_of(where.replace('"', ""))))
        if guess is None or not _is_number(draft, given):
            continue
        if guess.code in draft.values:
            draft.second[where] = f"{guess.code} is {draft.values[guess.code][0]} already"
        elif len(draft.values) >= MOST_VALUES:
            draft.second[where] = f"{MOST_VALUES} values are the most a draft takes"
        else:
            _take(draft, where, guess)
    if not draft.values:
        draft.notes.append("values: no name is known; `value` stands for one")
        where = next((where for where, given in leaves if _is_number(draft, given)), "value")
        draft.values["1-0:16.7.0"] = (where, Guess("1-0:16.7.0", "W", sure=False))


def _take(draft: _Draft, where: str, guess: Guess) -> None:
    draft.values[guess.code] = (where, guess)
    if not guess.sure:
        draft.notes.append(f"values.{guess.code}.unit: {guess.unit} is a guess, {where} does not say it")
    if guess.assumed_import:
        draft.notes.append(f"values.{guess.code}: that {where} is import is a guess; export is {_export(guess.code)}")
    if where.endswith("[0]"):
        draft.notes.append(f"values.{guess.code}: that {where} is phase L1 is a guess")


def _export(code: str) -> str:
    medium, _, rest = code.partition(":")
    c, _, more = rest.partition(".")
    return f"{medium}:{int(c) + 1}.{more}"


def _say_left_out(draft: _Draft, leaves: list[tuple[str, Any]]) -> None:
    """Note each number that the draft does not take, and why."""
    taken = {where for where, _ in draft.values.values()} | set(draft.by_code or ())
    if draft.time is not None:
        taken.add(draft.time[0])
    taken_above = {f"_body.{draft.records}.{where}" for where in taken}
    unknown, beside = list[str](), list[str]()
    for where, given in leaves:
        if where in taken or where in taken_above or f"{{{where}}}" in draft.meter:
            continue
        if where in draft.second:
            draft.notes.append(f"left out: {where}; {draft.second[where]}")
        elif isinstance(given, list):
            draft.notes.append(f"left out: {where}; it is a list of {len(given)}, {where}[0] is its first")
        elif _is_number(draft, given):
            (beside if where.startswith("_body.") else unknown).append(where)
    for names, why in ((unknown, "no quantity is known by that name"), (beside, "it stands beside the records")):
        if names:
            more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            draft.notes.append(f"left out: {', '.join(names[:MOST_NAMED])}{more}; {why}")


def _is_number(draft: _Draft, given: Any) -> bool:
    try:
        number_of(given, draft.form.decimal, draft.form.thousands)
    except NumberError:
        return False
    return True


def _text(draft: _Draft) -> str:
    form = draft.form.model_dump(exclude_defaults=True)
    lines = ["wattline_mapping: 1", f"format: {_flow(form)}"]
    if draft.topic:
        lines.append(f"topic: {json.dumps(draft.topic)}")
    if draft.records:
        lines.append(f"records: {json.dumps(draft.records, ensure_ascii=False)}")
    lines.append(f"meter: {json.dumps(draft.meter, ensure_ascii=False)}")
    if draft.time is not None:
        at, layout, wants_zone = draft.time
        rule = {"at": at} | ({"format": layout} if layout != "iso" else {}) | ({"zone": _ZONE} if wants_zone else {})
        lines.append(f"time: {_flow(rule)}")
    if draft.by_code is not None:
        code, value, unit = draft.by_code
        lines.append(f"by_code: {_flow({'code': code, 'value': value} | ({'unit': unit} if unit else {}))}")
    else:
        lines.append("values:")
        for code, (where, guess) in draft.values.items():
            said = {"path": where} | ({"unit": guess.unit} if guess.unit or unit_is_open(code) else {})
            lines.append(f"  {code}: {_flow(said)}" + ("" if guess.sure else "  # the unit is a guess"))
    return "\n".join(lines) + "\n"


def _flow(values: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{name}: {json.dumps(one, ensure_ascii=False)}" for name, one in values.items()) + "}"


def _proof(bare: str, sample: Payload) -> str:
    """The sample as a golden with what it gives now, where it is short and gives anything."""
    if len(sample.body) > MOST_GOLDEN:
        return ""
    try:
        mapping: Mapping = load_mapping(bare, origin="draft")
    except ContractError as error:
        return f"# it does not hold yet: {' '.join(str(error).split())}\n"
    mapped = map_payload(mapping, sample)
    if not mapped.readings or mapped.values > 200:
        return f"# the sample gives nothing yet: {' '.join(mapped.reason.split())}\n" if not mapped.readings else ""
    text = bare + _golden(sample, mapped)
    try:
        load_mapping(text, origin="draft")
    except ContractError:
        return ""
    return text.removeprefix(bare)


def _golden(sample: Payload, mapped: Mapped) -> str:
    try:
        body = f"    payload: {json.dumps(sample.body.decode(), ensure_ascii=False)}"
    except UnicodeDecodeError:
        body = f"    base64: {base64.b64encode(sample.body).decode()}"
    lines = ["goldens:", "  - name: the sample", body]
    if sample.topic:
        lines.append(f"    topic: {json.dumps(sample.topic)}")
    lines += [f"    received: {sample.received_at.astimezone(UTC).isoformat()}", "    readings:"]
    for meter, samples in mapped.readings.items():
        for one in samples:
            values = ", ".join(f'{code}: "{value:f}"' for code, value in one.values.items())
            lines.append(f"      - {{meter: {json.dumps(meter)}, at: {one.at.isoformat()}, values: {{{values}}}}}")
    if mapped.faulty:
        lines.append(f"    faults: {mapped.faulty}")
    return "\n".join(lines) + "\n"
