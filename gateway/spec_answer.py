"""A change of a spec's state as the API answers it."""

from typing import Any, Final

from gateway.api_route import Answer
from gateway.spec_life import Changed, SpecLife
from gateway.spec_models import SpecChange
from gateway.spec_report import comparison_view, report

MAX_NAMED: Final = 100


class SpecAnswers:
    """Answers with the spec as it is then."""

    def __init__(self, life: SpecLife) -> None:
        self._life = life

    async def row(self, name: str, version: str) -> Any:
        """The stored spec or draft. Raises ApiError 404."""
        return await self._life.row(name, version)

    async def changed(self, changed: Changed) -> Answer:
        """What a change did."""
        row: Any = await self._life.row(changed.name, str(changed.version))
        return Answer(
            SpecChange(
                spec=changed.name,
                version=changed.version,
                state=row["state"],
                audience=row["audience"],
                sha256=row["sha256"],
                changed=changed.changed,
                meters=row["meters"],
                devices_changed=len(changed.devices),
                devices=changed.devices[:MAX_NAMED],
                report=report(changed.verdict) if changed.verdict else None,
                comparison=comparison_view(changed.comparison) if changed.comparison else None,
            )
        )
