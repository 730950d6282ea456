"""Whether a meter's telegram has changed for good: registers that came or went, other units and scalers. No I/O."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from meters.telegram import Telegram

STEADY_AFTER: Final = 10
"""Telegrams in a row that make something a fact: tariffs and optional lines come and go."""

Form: TypeAlias = tuple[str | None, int | None]
"""Unit and scaler of an address on the wire."""


@dataclass(frozen=True, slots=True)
class TelegramChange:
    """What has become of a telegram: addresses that came and went, and those whose unit or scaler is another."""

    came: tuple[str, ...]
    went: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(slots=True)
class TelegramMonitor:
    """Learns the telegram of one meter over STEADY_AFTER of them, then reports what has changed for as many in a row.

    An address that is not in all the telegrams learnt from is optional: its absence is no change.
    """

    _telegrams: int = 0
    _counts: Counter[str] = field(default_factory=Counter)
    _steady: set[str] = field(default_factory=set)
    _forms: dict[str, set[Form]] = field(default_factory=dict)
    _came: Counter[str] = field(default_factory=Counter)
    _went: Counter[str] = field(default_factory=Counter)
    _other: dict[str, tuple[Form, int]] = field(default_factory=dict)
    _last: dict[str, Form] = field(default_factory=dict)

    def add(self, telegram: Telegram) -> TelegramChange | None:
        """Take one telegram; the change that it makes certain."""
        forms: dict[str, Form] = {}
        for record in telegram.records:
            forms.setdefault(record.address, (record.unit, record.scaler))
        if not forms:
            return None
        self._telegrams += 1
        if self._telegrams <= STEADY_AFTER:
            self._learn(forms)
            return None
        self._compare(forms)
        return self._certain()

    def _learn(self, forms: dict[str, Form]) -> None:
        self._counts.update(forms.keys())
        for address, form in forms.items():
            self._forms.setdefault(address, set()).add(form)
        if self._telegrams == STEADY_AFTER:
            self._steady = {address for address, count in self._counts.items() if count == STEADY_AFTER}

    def _compare(self, forms: dict[str, Form]) -> None:
        self._came = Counter({address: self._came[address] + 1 for address in forms.keys() - self._forms.keys()})
        self._went = Counter({address: self._went[address] + 1 for address in self._steady - forms.keys()})
        other: dict[str, tuple[Form, int]] = {}
        for address in forms.keys() & self._forms.keys():
            form = forms[address]
            if form not in self._forms[address]:
                before = self._other.get(address)
                other[address] = (form, before[1] + 1 if before is not None and before[0] == form else 1)
        self._other = other
        self._last = forms

    def _certain(self) -> TelegramChange | None:
        came = sorted(address for address, count in self._came.items() if count >= STEADY_AFTER)
        went = sorted(address for address, count in self._went.items() if count >= STEADY_AFTER)
        changed = {address: form for address, (form, count) in self._other.items() if count >= STEADY_AFTER}
        if not came and not went and not changed:
            return None
        changes = tuple(
            f"{address}: {_text(self._forms[address])} to {_text({changed[address]})}" for address in sorted(changed)
        )
        for address in came:
            self._forms[address] = {self._last[address]}
            self._steady.add(address)
        for address in went:
            del self._forms[address]
            self._steady.discard(address)
        for address, form in changed.items():
            self._forms[address] = {form}
        self._came.clear()
        self._went.clear()
        self._other.clear()
        return TelegramChange(tuple(came), tuple(went), changes)


def _text(forms: set[Form]) -> str:
    return " or ".join(
        sorted(f"{unit or 'no unit'} e{scaler}" if scaler else unit or "no unit" for unit, scaler in forms)
    )
