"""Which fields each Grafana knows: read from its own types, @grafana/schema, and held against a dashboard.

`python -m tests.rigs.grafana.known_fields VERSION...` fetches the package through the npm client and writes
known_fields.json anew. Up to 10.3 the package has no types of panels' options, so there only the frame of a dashboard
is known, and the options that panels share.
"""

import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("known_fields.json")
PANELS = ("barchart", "bargauge", "heatmap", "stat", "table", "timeseries")
_COMMENTS = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_NAMED = re.compile(r"(?:export )?(?:declare )?(interface|type) (\w+)(?:\$\d)?(?: extends ([^{]+?))? ?(?:=|(?=\{))")
_FIELD = re.compile(r"(?:'([^']+)'|\"([^\"]+)\"|(\w+))\??:\s*([^;{}]*)(\{)?")
_REFERENCE = re.compile(r"\b(?:\w+\.)?([A-Z]\w+)\b")
Fields = dict[str, list[str]]
"""Fields of a type, each with the names of the types that its value may be of."""


def types(text: str, prefix: str = "") -> dict[str, Fields]:
    """The interfaces and types of a .d.ts file; `""` among a type's fields lists what it extends or is made of."""
    text, found = _COMMENTS.sub("", text), {}
    for match in _NAMED.finditer(text):
        kind, name, bases = match[1], match[2], _REFERENCE.findall(match[3] or "")
        end = text.find(";", match.end())
        start = text.find("{", match.end())
        fields: Fields = {}
        if kind == "type":
            bases += _REFERENCE.findall(text[match.end() : end if start < 0 else min(start, end)])
        if kind == "interface" or start in range(match.end(), end):
            _members(text, start + 1, name, fields, found)
        found.setdefault(prefix + name, {}).update({**fields, "": found.get(prefix + name, {}).get("", []) + bases})
    return found


def _members(text: str, at: int, name: str, fields: Fields, found: dict[str, Fields]) -> int:
    """Read the members of a type up to its closing brace; one that is an object itself becomes a type of its own."""
    while (match := _next_member(text, at)) is not None:
        field = match[1] or match[2] or match[3]
        fields[field] = _REFERENCE.findall(match[4])
        at = match.end()
        if match[5]:
            inner: Fields = {}
            at = _members(text, at, f"{name}.{field}", inner, found)
            found[f"{name}.{field}"] = {**inner, "": []}
            fields[field].append(f"{name}.{field}")
    return text.index("}", at) + 1


def _next_member(text: str, at: int) -> re.Match[str] | None:
    found = _FIELD.search(text, at)
    return found if found is not None and found.start() < text.index("}", at) else None


def of_version(version: str) -> dict[str, Fields]:
    """The types that a dashboard is made of in this version, from the package; panels' own as `stat/Options`."""
    with tempfile.TemporaryDirectory() as scratch:
        command = ["npm", "pack", "--silent", "--ignore-scripts", f"@grafana/schema@{version}"]
        subprocess.run(command, cwd=scratch, check=True, capture_output=True, timeout=300)
        (archive,) = Path(scratch).glob("*.tgz")
        with tarfile.open(archive) as tar:
            tar.extractall(scratch, filter="data")
        made: dict[str, Fields] = {}
        for file in sorted(Path(scratch).rglob("*.d.ts")):
            path = str(file)
            panel = re.search(r"composable/(\w+)/panelcfg", path)
            if panel is not None and panel[1] in PANELS:
                made |= types(file.read_text("utf-8"), f"{panel[1]}/")
            elif re.search(r"common\.gen\.d|raw/dashboard/x|dist/index\.d", path):
                for name, fields in types(file.read_text("utf-8")).items():
                    made.setdefault(name, {}).update(fields)
        return made


class Known:
    """The types of one version."""

    def __init__(self, made: dict[str, Fields]) -> None:
        self._types = made

    def has(self, name: str) -> bool:
        """Whether the version's package describes this type."""
        return name in self._types

    def strangers(self, value: Any, *names: str, path: str = "") -> Iterator[str]:
        """Paths of fields that none of these types has; where none is described nothing is strange."""
        if isinstance(value, list):
            for each in value:
                yield from self.strangers(each, *names, path=f"{path}[]")
            return
        fields = self._fields(names)
        if not isinstance(value, dict) or not fields:
            return
        for key, each in value.items():
            if key not in fields:
                yield f"{path}.{key}"
            else:
                yield from self.strangers(each, *fields[key], path=f"{path}.{key}")

    def _fields(self, names: tuple[str, ...] | list[str], prefix: str = "") -> Fields:
        merged: Fields = {}
        for name in names:
            own = self._types.get(prefix + name) or self._types.get(name, {})
            inner = prefix or (name.split("/")[0] + "/" if "/" in name else "")
            merged |= self._fields([base for base in own.get("", []) if base != name], inner)
            for key, of in own.items():
                if key:
                    merged[key] = [inner + each if inner + each in self._types else each for each in of]
        return merged


def known() -> dict[str, Known]:
    """The committed versions."""
    return {version: Known(made) for version, made in json.loads(FILE.read_text("utf-8")).items()}


if __name__ == "__main__":
    FILE.write_text(json.dumps({version: of_version(version) for version in sys.argv[1:]}, sort_keys=True) + "\n")
