"""Selectors, which choose devices by their labels, and the rules of labels that they share. Pure functions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from broker.errors import ContractError
from broker.patterns import NAME_MAX, is_name, wildcard

NAME_RULE: Final = f"letters, digits, . _ -, at most {NAME_MAX}, a letter or digit first"
VALUE_RULE: Final = f"1 to {NAME_MAX} printable characters without , = ! * ? and without blanks at its ends"
TERM_RULE: Final = "write name=value, name!=value, name or !name, with commas between"
MAX_TERMS: Final = 16
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
    """Read `site=warsaw,model!=pi3,tested,!spare`. Raises ContractError that names the part, as `selector.1`."""
    parts = text.split(",")
    if len(parts) > MAX_TERMS:
        raise ContractError(f"{len(parts)} conditions", field=field, fix=f"at most {MAX_TERMS}")
    terms = {_term(part.strip(), f"{field}.{number}") for number, part in enumerate(parts)}
    return Selector(tuple(sorted(terms, key=str)))


def _term(part: str, place: str) -> Term:
    found = re.fullmatch(r"(?P<absent>!\s*)?(?P<name>[^=!]*?)\s*(?:(?P<sign>!?=)\s*(?P<value>.*))?", part, re.DOTALL)
    if found is None or (found["absent"] and found["sign"]):
        raise ContractError(f"{shown(part)} is no condition", field=place, fix=TERM_RULE)
    name, sign, value = found["name"], found["sign"], found["value"]
    if not is_name(name):
        reason = f"{shown(name)} is no label's name" if name else f"{shown(part)} names no label"
        raise ContractError(reason, field=place, fix=NAME_RULE if name else TERM_RULE)
    if sign is None:
        return Term(name, "absent" if found["absent"] else "present")
    if not is_value(value.replace("*", "x")) or value.count("*") > MAX_STARS:
        fix = f"{VALUE_RULE}; here * stands for any run of characters, at most {MAX_STARS} times"
        raise ContractError(f"{shown(value)} is no label's value", field=place, fix=fix)
    return Term(name, "=" if sign == "=" else "!=", value)


def is_value(text: str) -> bool:
    """Whether a label can have this value."""
    plain = text.isprintable() and not set(text) & set(",=!*?")
    return plain and text == text.strip() and 1 <= len(text) <= NAME_MAX


def shown(text: str) -> str:
    """A text as refusals quote it."""
    return repr(text if len(text) <= NAME_MAX else text[: NAME_MAX - 3] + "...")
