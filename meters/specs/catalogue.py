"""The catalogue of specs that Wattline ships, read from `products/*.yaml` beside this file."""

import re
from collections import Counter
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Final

from broker.errors import ContractError
from meters.specs.document import read_document
from meters.specs.spec import Spec, spec_from

_NEAR_MAX: Final = 6
_LEAST_LETTERS: Final = 3


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


def named(name: str) -> Spec:
    """The shipped spec of a name, as `iskra-mt382` or `iskra-mt382@1`. Raises ContractError with the names near it."""
    plain, at, version = name.partition("@")
    versions = [spec for spec in catalogue() if spec.name == plain]
    found = [spec for spec in versions if not at or str(spec.version) == version]
    if found:
        return max(found, key=lambda spec: spec.version)
    if versions:
        has = ", ".join(spec.ref for spec in versions)
        raise ContractError(f"the catalogue has {has}", field=name, fix="leave the version out, or give a file")
    near = _near(plain)
    fix = f"near are {', '.join(near)}" if near else "docs/METERS.md lists what there is, or give a file"
    raise ContractError("no file, and no spec of the catalogue", field=name, fix=fix)


def _near(name: str) -> list[str]:
    """Names of the catalogue that may have been meant: those whose maker and product have its words, then the alike."""
    words = [word for word in re.split("[^a-z0-9]+", name.lower()) if len(word) >= _LEAST_LETTERS]
    hits = Counter[str]()
    for spec in catalogue():
        said = re.sub("[^a-z0-9]", "", f"{spec.name}{spec.product.maker}{spec.product.name}".lower())
        hits[spec.name] = sum(word in said for word in words)
    most = max(hits.values(), default=0)
    near = sorted(one for one, count in hits.items() if most and count == most)
    near += [one for one in get_close_matches(name.lower(), hits, n=_NEAR_MAX, cutoff=0.6) if one not in near]
    return near[:_NEAR_MAX]


@cache
def _files() -> dict[str, tuple[Spec, str]]:
    folder = files("meters.specs").joinpath("products")
    found: dict[str, tuple[Spec, str]] = {}
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if not entry.name.endswith(".yaml"):
            continue
        text = entry.read_text(encoding="utf-8")
        origin = f"products/{entry.name}"
        spec = spec_from(read_document(text, origin=origin, shipped=True), origin=origin)
        if spec.ref in found:
            raise ContractError(f"{spec.ref} stands in two files", field=entry.name, fix="raise one's version")
        found[spec.ref] = (spec, text)
    return found
