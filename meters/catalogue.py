"""The catalogue of specs that Wattline ships, read from the package's own `specs/*.yaml`."""

from functools import cache
from importlib.resources import files

from broker.errors import ContractError
from meters.spec import Spec, load_spec


@cache
def catalogue() -> tuple[Spec, ...]:
    """All shipped specs by name and version, read once. Raises ContractError where a shipped file is wrong."""
    folder = files("meters").joinpath("specs")
    found: dict[str, Spec] = {}
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if not entry.name.endswith(".yaml"):
            continue
        spec = load_spec(entry.read_bytes(), origin=f"specs/{entry.name}")
        if spec.ref in found:
            raise ContractError(f"{spec.ref} stands in two files", field=entry.name, fix="raise one's version")
        found[spec.ref] = spec
    return tuple(found.values())
