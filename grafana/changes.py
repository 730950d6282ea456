"""What provisioning changed or would change, and how what Grafana holds is compared with what it should hold."""

from dataclasses import dataclass
from typing import Any, Literal

Action = Literal["created", "updated", "removed", "unchanged", "left alone"]
_SAME_PLUGIN = {"grafana-postgresql-datasource": "postgres"}
"""Grafana 10.1 and later answer with the plugin's new name."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing in Grafana and what became of it."""

    kind: str
    name: str
    action: Action
    detail: str = ""

    @property
    def writes(self) -> bool:
        """Whether Grafana is changed by it."""
        return self.action in ("created", "updated", "removed")


def differences(wanted: Any, found: Any, path: str = "") -> list[str]:
    """Where something found lacks what is wanted; what Grafana adds of its own is no difference."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [each for key, value in wanted.items() for each in differences(value, found.get(key), f"{path}.{key}")]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return [each for number, (one, other) in pairs for each in differences(one, other, f"{path}[{number}]")]
    if isinstance(found, str):
        found = _SAME_PLUGIN.get(found, found)
    # Grafana leaves out what is empty
    return [] if wanted == found or (not wanted and found is None) else [path.lstrip(".")]


def summary(paths: list[str], most: int = 3) -> str:
    """The first few places, for a table's cell."""
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return ", ".join(paths[:most]) + more
