"""A change of a spec's state as the API answers it."""

from typing import Final

from gateway.api.route import Answer
from gateway.specs.life import Changed, SpecLife
from gateway.specs.models import SpecChange
from gateway.specs.reports import comparison_view, report
from gateway.specs.store import StoredSpec

MAX_NAMED: Final = 100


class SpecAnswers:
    """Answers with the spec as it is then."""

    def __init__(self, life: SpecLife) -> None:
        self._life = life

    async def find(self, name: str, version: str) -> StoredSpec:
        """The stored spec or draft. Raises Refusal: unknown."""
        return await self._life.find(name, version)

    async def changed(self, changed: Changed) -> Answer:
        """What a change did."""
        stored = await self._life.find(changed.name, str(changed.version))
        return Answer(
            SpecChange(
                spec=changed.name,
                version=changed.version,
                state=stored.state,
                audience=stored.audience,
                sha256=stored.sha256,
                changed=changed.changed,
                meters=stored.meters,
                devices_changed=len(changed.devices),
                devices=changed.devices[:MAX_NAMED],
                report=report(changed.verdict) if changed.verdict else None,
                comparison=comparison_view(changed.comparison) if changed.comparison else None,
                job=changed.job,
            )
        )
