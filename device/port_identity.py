"""Whose telegram it is: the meters of one port told apart, registered, and watched for changes of their telegrams."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath
from typing import Final

from broker.errors import FrameError
from broker.messages import MeterSeen
from device.context import Context
from device.lineup import Lineup
from device.registry import seen
from device.telegram_watch import TelegramChange, TelegramWatch
from meters.identify import Identifier, Identity, meter_key, sub_meters
from meters.match import best
from meters.spec import Spec
from meters.telegram import Telegram

NAMELESS_AFTER_S: Final = 15.0
NAMELESS_AFTER_TELEGRAMS: Final = 3
"""A meter that does not name itself so long gets a key bound to its port."""
TELLING: Final = ("manufacturer", "product", "identification", "version", "firmware")
CHANGED_AT: Final = "telegram_changed_at"
"""The fact by which a registration says that a telegram is another one now: what was known of it no longer counts."""
LINE: Final = "line"
"""The fact by which a registration says by which line settings a meter is read."""
TOLD_EVERY_S: Final = 600.0
"""A telegram that goes on changing is told no more often than this; all changes are counted."""
DOUBTED_S: Final = 120
"""How long a registered change waits for the platform's answer; without one, it stands by the spec in force."""


@dataclass(slots=True)
class _Known:
    """One meter of the port: what it says of itself, and what its telegrams look like."""

    identifier: Identifier = field(default_factory=Identifier)
    watch: TelegramWatch = field(default_factory=TelegramWatch)
    identity: Identity | None = None
    seen: tuple[MeterSeen, ...] = ()
    behind_since: dict[str, datetime] = field(default_factory=dict)
    changed_at: str = ""
    told_s: float = float("-inf")
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
        self._lineup = Lineup()
        self._known: dict[str, _Known] = {}
        self._latest = _Known()
        self._nameless_since: float | None = None
        self._nameless = 0

    def __contains__(self, key: str) -> bool:
        """Whether a meter is heard at this port, be it certain that it stands there or not."""
        return key in self._lineup

    def take(self, telegram: Telegram, at: datetime, spec_of: Callable[[str], Spec | None]) -> str:
        """The key of the meter that a telegram is of, '' while it is not known; `spec_of` is the spec in force.

        Raises FrameError where several meters share the line and the telegram names none of them.
        """
        named = meter_key(telegram.facts.get("manufacturer", ""), telegram.facts.get("serial", ""))
        if not named and self.key and not self._lineup.alone:
            raise FrameError("meter_unnamed", "meters share the line and it names none", data=telegram.frame)
        known = self._of(named)
        before = known.identity
        identity = known.identifier.add(telegram)
        key = identity.key or self._bound_key(identity)
        if identity.key:
            self._nameless_since, self._nameless = None, 0
        changed = known.watch.add(telegram)
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

    def forget(self) -> None:
        """Forget what telegrams told of the meters, so that they tell it again."""
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
        if self._context.registered():
            for known in self._known.values():
                known.doubted_s += bool(known.doubted_spec)

    def _of(self, named: str) -> _Known:
        if not named or named == self.key:
            return self._latest
        if named in self._known:
            return self._known[named]
        # what a telegram before said may be of this very meter, which had not told its name in full
        return _Known() if self.key and self._latest.identity and self._latest.identity.key else self._latest

    def _note(self, key: str, known: _Known, telegram: Telegram, at: datetime) -> None:
        context = self._context
        change = self._lineup.heard(key, context.monotonic(), at)
        self._known = {name: one for name, one in self._known.items() if name in self._lineup}
        if change is not None and change.old:
            context.outgoing.event(
                "meter_changed", "warning", meter=change.new, old=change.old, new=change.new, port=self.port
            )
        elif change is not None:
            meters = list(self._lineup.standing)
            context.outgoing.event("port_shared", meter=change.new, port=self.port, meters=meters)
        known.seen = self._seen(key, known, telegram, at)
        standing = [self._known[name].seen for name in self._lineup.standing if name in self._known]
        if standing:
            context.registry.see(self.port, tuple(meter for meters in standing for meter in meters))

    def _seen(self, key: str, known: _Known, telegram: Telegram, at: datetime) -> tuple[MeterSeen, ...]:
        if known.identity is None:
            return known.seen
        main, *behind = seen(self.port, key, known.identity, sub_meters(telegram))
        told = {CHANGED_AT: known.changed_at, LINE: self.line}
        facts = {**main.facts, **{name: text for name, text in told.items() if text}}
        known.behind_since = {meter.key: known.behind_since.get(meter.key, at) for meter in behind}
        return (
            main.model_copy(update={"facts": facts, "since": self._lineup.since(key)}),
            *(meter.model_copy(update={"since": known.behind_since[meter.key]}) for meter in behind),
        )

    def _changed(self, known: _Known, key: str, change: TelegramChange, telegram: Telegram, at: datetime) -> Identity:
        """Tell of a telegram that changed for good, and begin anew to gather what the meter sends."""
        context = self._context
        context.metrics.telegram_changes.labels(self.port).inc()
        now_s = context.monotonic()
        if now_s - known.told_s >= TOLD_EVERY_S:
            known.told_s = now_s
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
        other = certain or (now is not None and any(_fact(before, name) != _fact(now, name) for name in TELLING))
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
