"""The catalogue of specs that Wattline ships, read from `products/*.yaml` beside this file."""

from functools import cache
from importlib.resources import files

from broker.errors import ContractError
from meters.specs.spec import Spec, load_spec


def catalogue() -> tuple[Spec, ...]:
    """All shipped specs by name and version, read once. Raises ContractError where a shipped file is wrong."""
    return tuple(spec for spec, _ in _files().values())


def shipped(ref: str, digest: str) -> Spec | None:
    """The shipped spec of this `name@version` and content; None where none of them ships."""
    spec, _ = _files().get(ref, (None, ""))
    return spec if spec is not None and spec.digest == digest else None


def shipped_text(ref: str, digest: str) -> str | None:
    """The file of a shipped spec as its author wrote it; None where none of this name, version and content ships."""
    return _files()[ref][1] if shipped(ref, digest) else None


@cache
def _files() -> dict[str, tuple[Spec, str]]:
    folder = files("meters.specs").joinpath("products")
    found: dict[str, tuple[Spec, str]] = {}
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if not entry.name.endswith(".yaml"):
            continue
        text = entry.read_text(encoding="utf-8")
        spec = load_spec(text, origin=f"products/{entry.name}")
        if spec.ref in found:
            raise ContractError(f"{spec.ref} stands in two files", field=entry.name, fix="raise one's version")
        found[spec.ref] = (spec, text)
    return found
