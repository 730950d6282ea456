"""Labels of devices, and selectors that choose devices by them. Pure functions."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from broker.patterns import is_name
from gateway.faults import Fault, invalid, invalid_fields
from gateway.validation import MAX_TEXT, NAME_RULE
from meters.specs.types import wildcard

FACTS: Final = ("device", "hardware", "machine", "os", "software")
"""Labels that the registration gives, as the view device_label_set makes them; nobody may set them."""
MAX_LABELS: Final = 64
MAX_TERMS: Final = 16
VALUE_RULE: Final = f"1 to {MAX_TEXT} printable characters without , = ! * ? and without blanks at its ends"
TERM_RULE: Final = "write name=value, name!=value, name or !name, with commas between"
MAX_STARS: Final = 8
Sign = Literal["=", "!=", "present", "absent"]


@dataclass(frozen=True, slots=True)
class Term:
    """One condition; in `value` a `*` is any run of characters, and letters are of either case.

    `!=` holds also where there is no such label.
    """

    name: str
    sign: Sign
    value: str = ""

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether a device with these labels fulfils it."""
        if self.sign in ("present", "absent"):
            return (self.name in labels) == (self.sign == "present")
        fits = self.name in labels and wildcard(self.value, labels[self.name])
        return fits == (self.sign == "=")

    def __str__(self) -> str:
        if self.sign == "absent":
            return f"!{self.name}"
        return self.name if self.sign == "present" else f"{self.name}{self.sign}{self.value}"


@dataclass(frozen=True, slots=True)
class Selector:
    """Conditions that must all hold; its text is the same for selectors that say the same in another order."""

    terms: tuple[Term, ...]

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether a device with these labels, facts included, is chosen."""
        return all(term.holds(labels) for term in self.terms)

    def __str__(self) -> str:
        return ",".join(str(term) for term in self.terms)


def parse_selector(text: str, *, field: str = "selector") -> Selector:
    """Read `site=warsaw,model!=pi3,tested,!spare`. Raises Refusal that names the part, as `selector.1`."""
    parts = text.split(",")
    if len(parts) > MAX_TERMS:
        raise invalid(field, f"{len(parts)} conditions", f"at most {MAX_TERMS}")
    terms = {_term(part.strip(), f"{field}.{number}") for number, part in enumerate(parts)}
    return Selector(tuple(sorted(terms, key=str)))


def _term(part: str, place: str) -> Term:
    found = re.fullmatch(r"(?P<absent>!\s*)?(?P<name>[^=!]*?)\s*(?:(?P<sign>!?=)\s*(?P<value>.*))?", part, re.DOTALL)
    if found is None or (found["absent"] and found["sign"]):
        raise invalid(place, f"{_shown(part)} is no condition", TERM_RULE)
    name, sign, value = found["name"], found["sign"], found["value"]
    if not is_name(name):
        reason = f"{_shown(name)} is no label's name" if name else f"{_shown(part)} names no label"
        raise invalid(place, reason, NAME_RULE if name else TERM_RULE)
    if sign is None:
        return Term(name, "absent" if found["absent"] else "present")
    if not _is_value(value.replace("*", "x")) or value.count("*") > MAX_STARS:
        fix = f"{VALUE_RULE}; here * stands for any run of characters, at most {MAX_STARS} times"
        raise invalid(place, f"{_shown(value)} is no label's value", fix)
    return Term(name, "=" if sign == "=" else "!=", value)


def check_labels(changes: Mapping[str, str | None]) -> None:
    """See that these labels may be set; None takes one away. Raises Refusal: invalid, with all that is wrong."""
    if faults := list(label_faults(changes)):
        raise invalid_fields(faults)


def label_faults(changes: Mapping[str, str | None], *, field: str = "labels") -> Iterator[Fault]:
    """All that speaks against setting these labels."""
    for name, value in changes.items():
        place = f"{field}.{name[:MAX_TEXT]}" if name else field
        if not is_name(name):
            yield Fault(place, f"{_shown(name)} is no label's name", NAME_RULE)
        elif name in FACTS:
            yield Fault(place, "the registration says this", f"not one of {', '.join(FACTS)}")
        elif value is not None and not _is_value(value):
            yield Fault(place, f"{_shown(value)} is no label's value", VALUE_RULE)


def changed(labels: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """The labels after a change, by name. Raises Refusal where they are too many."""
    merged = {**labels, **changes}
    after = {name: value for name, value in sorted(merged.items()) if value is not None}
    if len(after) > MAX_LABELS:
        raise invalid("labels", f"{len(after)} labels", f"at most {MAX_LABELS}")
    return after


def _is_value(text: str) -> bool:
    plain = text.isprintable() and not set(text) & set(",=!*?")
    return plain and text == text.strip() and 1 <= len(text) <= MAX_TEXT


def _shown(text: str) -> str:
    return repr(text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "...")
