"""Whose telegram it is: the meters of one port distinguished, registered, and monitored for changes of telegrams."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath
from typing import Final

from broker.contract.messages import MeterSeen
from broker.errors import FrameError
from device.readings.context import Context
from device.readings.meter_swaps import SwapDetector
from device.readings.registry import as_registered
from device.readings.telegram_changes import TelegramChange, TelegramMonitor
from meters.specs.identify import Identifier, Identity, meter_key, sub_meters
from meters.specs.match import best
from meters.specs.spec import Spec
from meters.telegram import Telegram, Wire

NAMELESS_AFTER_S: Final = 15.0
NAMELESS_AFTER_TELEGRAMS: Final = 3
"""A meter that does not name itself so long gets a key bound to its port."""
IDENTIFYING: Final = ("manufacturer", "product", "identification", "version", "firmware")
WHO: Final = ("manufacturer", "serial", "identification", "product")
CHANGED_AT: Final = "telegram_changed_at"
"""The fact by which a registration says that a telegram is another one now: what was known of it no longer counts."""
LINE: Final = "line"
"""The fact by which a registration says by which line settings a meter is read."""
KEY_STATE: Final = "key_state"
"""The fact by which a registration says of a ciphered meter whether its key is here: missing, wrong or good."""
EVENT_EVERY_S: Final = 600.0
"""A telegram that goes on changing is reported no more often than this; all changes are counted."""
DOUBTED_S: Final = 120
"""How long a registered change waits for the platform's answer; without one, the spec in force is used."""


@dataclass(slots=True)
class _Known:
    """One meter of the port: what it says of itself, and what its telegrams look like."""

    identifier: Identifier = field(default_factory=Identifier)
    monitor: TelegramMonitor = field(default_factory=TelegramMonitor)
    identity: Identity | None = None
    registered: tuple[MeterSeen, ...] = ()
    behind_since: dict[str, datetime] = field(default_factory=dict)
    changed_at: str = ""
    key_state: str = ""
    event_s: float = float("-inf")
    doubted_spec: str = ""
    doubted_s: int = 0


class PortIdentity:
    """The meters of one port. `key` is that of the last telegram, '' while it has not named itself."""

    def __init__(self, port: str, context: Context) -> None:
        self.port = port
        self.key = ""
        self.line = ""
        """The line settings by which it is heard, as a fact of its meters: drafts of specs propose them."""
        self._context = context
        self._swaps = SwapDetector()
        self._known: dict[str, _Known] = {}
        self._latest = _Known()
        self._nameless_since: float | None = None
        self._nameless = 0

    def __contains__(self, key: str) -> bool:
        """Whether a meter is heard at this port, be it certain that it is connected there or not."""
        return key in self._swaps

    def take(self, telegram: Telegram, at: datetime, spec_of: Callable[[str], Spec | None], ciphered: str = "") -> str:
        """The key of the meter that a telegram is of, '' while it is not known; `spec_of` is the spec in force.

        `ciphered` is the key by which a meter is known whose telegrams are.

        Raises FrameError where several meters share the line and the telegram names none of them.
        """
        named = ciphered or meter_key(telegram.facts.get("manufacturer", ""), telegram.facts.get("serial", ""))
        if not named and self.key and not self._swaps.alone:
            raise FrameError("meter_unnamed", "meters share the line and it names none", data=telegram.frame)
        known = self._of(named)
        before = known.identity
        identity = known.identifier.add(telegram)
        key = ciphered or identity.key or self._bound_key(identity)
        known.key_state = "good" if ciphered else ""
        if ciphered or identity.key:
            self._nameless_since, self._nameless = None, 0
        changed = known.monitor.add(telegram)
        if changed is not None:
            identity = self._changed(known, key, changed, telegram, at)
        known.identity = identity
        self._latest, self.key = known, key
        if key:
            self._known[key] = known
            if before is not None and before.key == identity.key:
                self._doubt(known, before, spec_of(key), certain=changed is not None)
            self._note(key, known, telegram, at)
        return key

    def take_ciphered(self, wire: Wire, key: str, title: str, state: str, at: datetime) -> str:
        """Note a meter that was heard and can't be read: known by its system title. Returns its key."""
        known = self._known.get(key) or _Known()
        if known.identity is None:
            maker = key.partition(":")[0]
            facts = {"manufacturer": maker, "system_title": title}
            known.identity = Identity(key, wire, manufacturer=maker, facts=facts)
        known.key_state = state
        self._nameless_since, self._nameless = None, 0
        self._latest, self.key = known, key
        self._known[key] = known
        self._note(key, known, Telegram(wire, (), {}), at)
        return key

    def told_by(self, telegram: Telegram, key: str) -> str:
        """The key of the meter that answered with a telegram, '' where it does not say; nothing is noted of it.

        Of a meter that never named itself, whose `key` is its place, what it says of itself must be what it said live.
        """
        facts, known = telegram.facts, self._known.get(key)
        named = meter_key(facts.get("manufacturer", ""), facts.get("serial", ""))
        if named or known is None or known.identity is None or known.identity.key:
            return named
        before = known.identity.facts
        return key if all(before.get(name) == facts.get(name) for name in WHO) else ""

    def forget(self) -> None:
        """Forget what telegrams said of the meters, so that they are identified again."""
        self._known, self._latest = {}, _Known()
        self._nameless_since, self._nameless = None, 0

    def doubts(self, key: str, ref: str) -> bool:
        """Whether a meter has become another product's since its spec was chosen: its frames wait for the answer."""
        known = self._known.get(key)
        if known is None or known.doubted_spec != ref:
            return False
        return known.doubted_s < DOUBTED_S

    def upkeep(self) -> None:
        """Count the seconds since a change was registered; call it once a second."""
        if self._context.registry.is_registered():
            for known in self._known.values():
                known.doubted_s += bool(known.doubted_spec)

    def _of(self, named: str) -> _Known:
        if not named or named == self.key:
            return self._latest
        if named in self._known:
            return self._known[named]
        # what a telegram before said may be of this very meter, which had not given its name in full
        return _Known() if self.key and self._latest.identity and self._latest.identity.key else self._latest

    def _note(self, key: str, known: _Known, telegram: Telegram, at: datetime) -> None:
        context = self._context
        change = self._swaps.observe(key, context.monotonic(), at)
        self._known = {name: one for name, one in self._known.items() if name in self._swaps}
        if change is not None and change.old:
            context.outgoing.event(
                "meter_changed", "warning", meter=change.new, old=change.old, new=change.new, port=self.port
            )
        elif change is not None:
            meters = list(self._swaps.present)
            context.outgoing.event("port_shared", meter=change.new, port=self.port, meters=meters)
        known.registered = self._registration(key, known, telegram, at)
        present = [self._known[name].registered for name in self._swaps.present if name in self._known]
        if present:
            context.registry.observe(self.port, tuple(meter for meters in present for meter in meters))

    def _registration(self, key: str, known: _Known, telegram: Telegram, at: datetime) -> tuple[MeterSeen, ...]:
        if known.identity is None:
            return known.registered
        main, *behind = as_registered(self.port, key, known.identity, sub_meters(telegram))
        extra = {CHANGED_AT: known.changed_at, LINE: self.line, KEY_STATE: known.key_state}
        facts = {**main.facts, **{name: text for name, text in extra.items() if text}}
        known.behind_since = {meter.key: known.behind_since.get(meter.key, at) for meter in behind}
        return (
            main.model_copy(update={"facts": facts, "since": self._swaps.since(key)}),
            *(meter.model_copy(update={"since": known.behind_since[meter.key]}) for meter in behind),
        )

    def _changed(self, known: _Known, key: str, change: TelegramChange, telegram: Telegram, at: datetime) -> Identity:
        """Report a telegram that changed for good, and begin anew to gather what the meter sends."""
        context = self._context
        context.metrics.telegram_changes.labels(self.port).inc()
        now_s = context.monotonic()
        if now_s - known.event_s >= EVENT_EVERY_S:
            known.event_s = now_s
            context.outgoing.event(
                "telegram_changed",
                "warning",
                meter=key,
                port=self.port,
                came=change.came,
                went=change.went,
                changed=change.changed,
            )
        known.changed_at = at.isoformat()
        known.identifier = Identifier()
        return known.identifier.add(telegram)

    def _doubt(self, known: _Known, before: Identity, spec: Spec | None, *, certain: bool) -> None:
        """Stop using a spec that fitted the meter and no longer does; a pinned one that never fitted is left alone."""
        now = known.identity
        other = certain or (now is not None and any(_fact(before, name) != _fact(now, name) for name in IDENTIFYING))
        if spec is None or now is None or not other:
            return
        if known.doubted_spec != spec.ref and best((spec,), before) and not best((spec,), now):
            known.doubted_spec, known.doubted_s = spec.ref, 0
            self._context.outgoing.event("spec_doubted", "warning", meter=self.key, port=self.port, spec=spec.ref)
        elif known.doubted_spec == spec.ref and best((spec,), now):
            known.doubted_spec = ""

    def _bound_key(self, identity: Identity) -> str:
        now_s = self._context.monotonic()
        if self._nameless_since is None:
            self._nameless_since = now_s
        self._nameless += 1
        if self._nameless < NAMELESS_AFTER_TELEGRAMS or now_s - self._nameless_since < NAMELESS_AFTER_S:
            return ""
        name = "".join(c for c in PurePath(self.port).name if "!" <= c <= "~")
        return f"{identity.manufacturer or 'UNK'}:{self._context.device}/{name}"[:96]


def _fact(identity: Identity, name: str) -> str:
    return str(getattr(identity, name, "")) or identity.facts.get(name, "")
