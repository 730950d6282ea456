"""Routes about meters that more than one device registers: who claims which, and a person's yes or no."""

from gateway.api.meter_claims.models import DecidedClaim, MeterClaimList, MeterClaimsQuery, MoveQuery, RefuseQuery
from gateway.api.meter_claims.store import list_claims
from gateway.api.route import Answer, Call, Route
from gateway.meter_claims.run import MeterClaims
from store.pool import Pool


class ClaimRoutes:
    """Claims on meters, and the decisions of people."""

    def __init__(self, pool: Pool, claims: MeterClaims) -> None:
        self._pool = pool
        self._claims = claims

    def routes(self) -> list[Route]:
        """The routes served here."""
        fields = {"meter": "The meter's key, for example LGZ:12345678, percent-encoded."}
        listed = "MeterClaims on meters that stand at another device's port, the newest first."
        moved = "Give a meter to a device that registers it, without waiting for the one that has it to be silent."
        refused = "Have a device's claim on a meter wait until somebody gives it the meter."
        return [
            Route("GET", "/meter-claims", "listMeterClaims", listed, self.page, MeterClaimList, MeterClaimsQuery),
            Route("POST", "/meters/{meter}/move", "moveMeter", moved, self.move, DecidedClaim, MoveQuery,
                  path_fields=fields),
            Route("POST", "/meters/{meter}/refuse", "refuseMeterClaim", refused, self.refuse, DecidedClaim, RefuseQuery,
                  path_fields=fields),
        ]  # fmt: skip

    async def page(self, call: Call) -> Answer:
        """GET /meter-claims."""
        query: MeterClaimsQuery = call.query
        return Answer(
            MeterClaimList(items=tuple(await list_claims(self._pool, query.meter, query.device, query.limit)))
        )

    async def move(self, call: Call) -> Answer:
        """POST /meters/{meter}/move."""
        query: MoveQuery = call.query
        claim = await self._claims.move(
            call.path["meter"], query.device, query.since, author=query.author, reason=query.reason
        )
        return Answer(DecidedClaim(meter=claim.key, owner=claim.owner, device=claim.device, at=query.since or claim.at))

    async def refuse(self, call: Call) -> Answer:
        """POST /meters/{meter}/refuse."""
        query: RefuseQuery = call.query
        claim = await self._claims.refuse(call.path["meter"], query.device, author=query.author, reason=query.reason)
        return Answer(DecidedClaim(meter=claim.key, owner=claim.owner, device=claim.device, at=None))
