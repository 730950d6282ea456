"""A spec made ready for decoding: points and quirks by address, and how each address and unit becomes a reading."""

from collections import OrderedDict
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from threading import Lock
from typing import Final

from broker.contract.obis import Kind, Obis, canonical, lookup
from broker.errors import ContractError
from broker.patterns import wildcard
from meters.specs.spec import Spec

MAX_PLANS: Final = 256
"""Plans kept ready; beyond it the one used longest ago is made again when needed."""
MAX_ADDRESSES: Final = 4096
"""Addresses and units a plan remembers; lines are untrusted, so beyond it they are worked out each time."""
RISING: Final = (Kind.REGISTER, Kind.COUNTER)
_NET: Final = (16, 36, 56, 76, 131, 151, 171, 191)
"""C groups of import less export: their registers may fall and go below zero."""
ONE: Final = Decimal(1)
NO_UNIT: Final = "no unit on the wire"
"""Numbers of different quantities stand under one code where its unit is open: 24 kW, 999 A, 27.6 kVA at 0-0:17.0.0."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a value at an address with a wire unit becomes a reading: its code, the factor, the unit that comes out.

    `reason` is set where it must not become one; an empty reason means that it is none (a serial, a text, an event).
    """

    code: str
    factor: Decimal = ONE
    unit: str = ""
    rising: bool = False
    reason: str | None = None


class Plan:
    """What decode needs of one spec; the remembered conversions are bounded by MAX_ADDRESSES."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.trusts_clock = spec.time.source[0] != "device"
        self.codes = frozenset(point.obis for point in spec.points)
        self.points = tuple((point, point.source or (point.obis,)) for point in spec.points)
        self._standard: dict[tuple[str, str | None], Conversion] = {}

    def standard(self, address: str, unit: str | None) -> Conversion:
        """How the OBIS catalogue reads this address, as `standard: true` has it."""
        found = self._standard.get((address, unit))
        if found is None:
            found = self._work_out(address, unit)
            if len(self._standard) < MAX_ADDRESSES:
                self._standard[address, unit] = found
        return found

    def _work_out(self, address: str, unit: str | None) -> Conversion:
        none = Conversion(address, reason="")
        if not self.spec.standard or any(wildcard(pattern, address) for pattern in self.spec.exclude):
            return none
        try:
            code = Obis.parse(address)
        except ContractError:
            return none
        # B of 1 to 9 under medium 0 is an M-Bus channel: a meter of its own, never this one's reading.
        behind = code.a == 0 and 1 <= code.b <= 9
        quantity = None if behind or str(code) in self.codes else lookup(code)
        if quantity is None:
            return none
        if unit is None and (quantity.unit is None or (quantity.unit != "" and quantity.kind is not Kind.STATUS)):
            return Conversion(str(code), reason=NO_UNIT)
        return convert(str(code), unit)


@lru_cache(maxsize=MAX_ADDRESSES)
def needs_unit(code: str) -> bool:
    """Whether the OBIS catalogue knows the code and leaves its unit open, so that a bare number says nothing."""
    quantity = lookup(Obis.parse(code))
    return quantity is not None and quantity.unit is None


@lru_cache(maxsize=MAX_ADDRESSES)
def convert(code: str, unit: str | None) -> Conversion:
    """The conversion into the code's canonical unit; the wire's own unit where the OBIS catalogue has no such code."""
    parsed = Obis.parse(code)
    quantity = lookup(parsed)
    if quantity is None:
        return Conversion(str(parsed), unit=unit or "")
    try:
        factor, out = canonical(parsed, ONE, unit)
    except ContractError as error:
        return Conversion(str(parsed), reason=error.reason)
    return Conversion(str(parsed), factor, out, quantity.kind in RISING and parsed.c not in _NET)


_plans: OrderedDict[tuple[str, str], Plan] = OrderedDict()
_plans_lock = Lock()


def plan_of(spec: Spec) -> Plan:
    """The plan of a spec, remembered by reference and digest, so that a changed document never meets an old plan."""
    key = (spec.ref, spec.digest)
    # the gateway decodes in threads beside its event loop
    with _plans_lock:
        plan = _plans.get(key)
        if plan is None:
            plan = _plans[key] = Plan(spec)
            if len(_plans) > MAX_PLANS:
                _plans.popitem(last=False)
        else:
            _plans.move_to_end(key)
    return plan
