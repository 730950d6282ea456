"""The enabled MQTT sources: at which broker each is, by which filters, and whose a topic is. No I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from pydantic import ValidationError

from broker.contract.outlets import is_ours
from broker.contract.topics import DEFAULT_ROOT
from broker.errors import ContractError
from broker.plain_errors import plain_reason
from intake.bridge.discovery.shipped import SPARKPLUG
from intake.bridge.filters import Claims, checked
from intake.bridge.store import SourceRow
from meters.mappings.document import Mapping as MappingDocument
from meters.mappings.load import load_mapping
from meters.mappings.topics import filter_of
from store.source_settings import TopicSettings


@dataclass(frozen=True, slots=True)
class Source:
    """One source that can be subscribed to. With `own_time` its payloads say when their readings are of."""

    name: str
    broker: str
    filters: tuple[str, ...]
    own_time: bool


@dataclass(slots=True)
class SourceBook:
    """The sources as they were last read; `faults` says of those that can't be subscribed to why."""

    root: str = DEFAULT_ROOT
    sources: dict[str, Source] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    _claims: dict[str, Claims] = field(default_factory=dict)

    def read(self, rows: Iterable[SourceRow], brokers: Mapping[str, object]) -> None:
        """Take over what the store has; `brokers` are those that are set."""
        self.sources, self.faults = {}, {}
        for row in rows:
            try:
                source = _source(row, self.root, brokers)
            except ContractError as error:
                self.faults[row.name] = str(error)
            else:
                self.sources[row.name] = source
        names = {source.broker for source in self.sources.values()}
        self._claims = {
            broker: Claims(
                (source.name, name)
                for source in self.sources.values()
                if source.broker == broker
                for name in source.filters
            )
            for broker in names
        }

    def filters(self, broker: str) -> set[str]:
        """All filters at a broker, but for those of Sparkplug."""
        named = {name for source in self.sources.values() if source.broker == broker for name in source.filters}
        return {name for name in named if not name.startswith(SPARKPLUG)}

    def sparkplug_brokers(self) -> set[str]:
        """Brokers with sources of Sparkplug edge nodes, which a host application hears."""
        return {one.broker for one in self.sources.values() if any(name.startswith(SPARKPLUG) for name in one.filters)}

    def owners(self, broker: str, topic: str, subscriptions: tuple[int, ...]) -> tuple[str, ...]:
        """The sources whose a message at a broker is, by its topic and by what it came by; none of our own outlet's."""
        if is_ours(topic):
            return ()
        claims = self._claims.get(broker)
        return claims.owners(topic, subscriptions) if claims is not None else ()

    def takes_retained(self, name: str) -> bool:
        """Whether a retained message of an unknown time is of use to a source: where its payloads say their own."""
        source = self.sources.get(name)
        return source is not None and source.own_time


def _source(row: SourceRow, root: str, brokers: Mapping[str, object]) -> Source:
    try:
        settings = TopicSettings.model_validate(row.settings)
    except ValidationError as error:
        raise ContractError(
            plain_reason(dict(error.errors()[0])), field="settings", fix="a broker's name, and a list of topic filters"
        ) from error
    if settings.broker not in brokers:
        variable = f"WATTLINE_BRIDGE_BROKERS__{settings.broker.upper()}__HOST"
        raise ContractError(
            f"no broker {settings.broker!r} is set",
            field="broker",
            fix=f"set {variable}, or name one of {', '.join(brokers)}",
        )
    mapping = _mapping(row.document) if row.document is not None else None
    named = settings.topics or tuple(filter_of(pattern) for pattern in (mapping.topic if mapping is not None else ()))
    if not named:
        raise ContractError(
            "neither the mapping nor the settings name a topic", field="topic", fix="name one in the mapping"
        )
    filters = tuple(dict.fromkeys(checked(name, root) for name in named))
    return Source(row.name, settings.broker, filters, mapping is not None and mapping.time is not None)


@lru_cache(maxsize=1024)
def _mapping(document: str) -> MappingDocument:
    return load_mapping(document, origin="the store", trusted=True)
