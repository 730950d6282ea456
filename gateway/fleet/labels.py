"""Labels of devices, and selectors that choose devices by them. Pure functions."""

from collections.abc import Iterator, Mapping
from typing import Final

from broker import selectors
from broker.errors import ContractError
from broker.patterns import is_name
from broker.selectors import NAME_RULE, VALUE_RULE, Selector, is_value, shown
from gateway.faults import Fault, invalid, invalid_fields
from gateway.validation import MAX_TEXT

FACTS: Final = ("device", "hardware", "machine", "os", "software")
"""Labels that the registration gives, as the view device_label_set makes them; nobody may set them."""
MAX_LABELS: Final = 64


def parse_selector(text: str, *, field: str = "selector") -> Selector:
    """Read `site=warsaw,model!=pi3,tested,!spare`. Raises Refusal that names the part, as `selector.1`."""
    try:
        return selectors.parse_selector(text, field=field)
    except ContractError as error:
        raise invalid(error.field, error.reason, error.fix) from error


def check_labels(changes: Mapping[str, str | None]) -> None:
    """See that these labels may be set; None takes one away. Raises Refusal: invalid, with all that is wrong."""
    if faults := list(label_faults(changes)):
        raise invalid_fields(faults)


def label_faults(changes: Mapping[str, str | None], *, field: str = "labels") -> Iterator[Fault]:
    """All that speaks against setting these labels."""
    for name, value in changes.items():
        place = f"{field}.{name[:MAX_TEXT]}" if name else field
        if not is_name(name):
            yield Fault(place, f"{shown(name)} is no label's name", NAME_RULE)
        elif name in FACTS:
            yield Fault(place, "the registration says this", f"not one of {', '.join(FACTS)}")
        elif value is not None and not is_value(value):
            yield Fault(place, f"{shown(value)} is no label's value", VALUE_RULE)


def changed(labels: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """The labels after a change, by name. Raises Refusal where they are too many."""
    merged = {**labels, **changes}
    after = {name: value for name, value in sorted(merged.items()) if value is not None}
    if len(after) > MAX_LABELS:
        raise invalid("labels", f"{len(after)} labels", f"at most {MAX_LABELS}")
    return after
