"""The mappings that Wattline ships for other people's devices, read from `devices/*.yaml` beside this file."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from broker.errors import ContractError
from meters.mappings.document import Mapping
from meters.mappings.load import mapping_from
from meters.mappings.topics import filter_of
from meters.specs.document import read_document


@dataclass(frozen=True, slots=True)
class Shipped:
    """A shipped mapping, by the name of its file; `text` is as its author wrote it."""

    name: str
    text: str
    mapping: Mapping

    @property
    def filters(self) -> tuple[str, ...]:
        """The MQTT topic filters of what it reads."""
        return tuple(filter_of(pattern) for pattern in self.mapping.topic)


@cache
def catalogue() -> tuple[Shipped, ...]:
    """All shipped mappings by name, read once and not tried on their goldens: tests do that."""
    found = sorted(
        (one for one in (files("meters.mappings") / "devices").iterdir() if one.name.endswith(".yaml")),
        key=lambda one: one.name,
    )
    texts = [(one.name.removesuffix(".yaml"), one.read_text("utf-8")) for one in found]
    return tuple(_read(name, text) for name, text in texts)


def _read(name: str, text: str) -> Shipped:
    document = read_document(text, origin=name, shipped=True)
    return Shipped(name, text, mapping_from(document, origin=name, trusted=True))


def named(name: str) -> Shipped:
    """The shipped mapping of a name. Raises ContractError."""
    found = next((one for one in catalogue() if one.name == name), None)
    if found is None:
        names = ", ".join(one.name for one in catalogue())
        raise ContractError(f"no mapping {name[:64]!r} is shipped", field="mapping", fix=f"one of {names}")
    return found
