"""The route that says what pasted bytes mean. It stores nothing, and works beside the event loop within bounds."""

from gateway.api.decode.decoding import answer
from gateway.api.decode.models import DecodeAnswer, DecodeQuery, DecodeRequest
from gateway.api.gate import Gate
from gateway.api.route import Answer, Call, Route
from gateway.desired.change import Configuration
from gateway.roles import Role


class DecodeRoutes:
    """Decoding of pasted bytes by the published specs."""

    def __init__(self, configuration: Configuration, gate: Gate | None = None) -> None:
        self._configuration = configuration
        self._gate = gate or Gate()

    def routes(self) -> list[Route]:
        """The routes served here."""
        summary = (
            "What bytes of a meter mean: as JSON, or as the body itself (bytes, or a dump as text). Nothing is stored."
        )
        return [
            Route("POST", "/decode", "decode", summary, self.decode, DecodeAnswer, DecodeQuery, DecodeRequest,
                  media=("application/json",), role=Role.VIEWER),
        ]  # fmt: skip

    async def decode(self, call: Call) -> Answer:
        """POST /decode."""
        asked = (call.body, call.query, call.content_type)
        return Answer(await self._gate.run(answer, *asked, self._configuration.catalogue))
