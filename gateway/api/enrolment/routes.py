"""Routes about claims and enrolments, for people."""

from dataclasses import asdict

from gateway.api.enrolment.models import (
    ClaimMade,
    ClaimPage,
    ClaimRequest,
    ClaimsQuery,
    ClaimView,
    DecisionQuery,
    EnrolmentPage,
    EnrolmentsQuery,
    EnrolmentView,
)
from gateway.api.pages import CURSOR_FIX, page_of, text_cursor
from gateway.api.route import Answer, Call, Route, read_body
from gateway.enrolment.claims import EnrolmentClaims
from gateway.enrolment.enrolling import MAX_ID, Enrolling
from gateway.enrolment.store import ListedEnrolment, list_claims, list_enrolments
from gateway.faults import invalid
from gateway.roles import Role
from store.pool import Pool

ID = {"enrolment": "The enrolment's number."}


class EnrolmentRoutes:
    """Claims, and enrolments that wait for a person."""

    def __init__(self, pool: Pool, claims: EnrolmentClaims, enrolling: Enrolling) -> None:
        self._pool = pool
        self._claims = claims
        self._enrolling = enrolling

    def routes(self) -> list[Route]:
        """The routes served here."""
        admin, json, name = Role.ADMIN, ("application/json",), {"claim": "The claim's name."}
        made = "Make a claim by which devices enrol; the answer alone shows its token."
        ended = "Revoke a claim; devices that it let in stay."
        yes = "Let a device in that waits; it is given its certificate when it asks again."
        no = "Refuse a device that waits; its key is not let in any more."
        return [
            Route("GET", "/claims", "listClaims", "EnrolmentClaims.", self.claims, ClaimPage, ClaimsQuery, role=admin),
            Route("POST", "/claims", "createClaim", made, self.create, ClaimMade, None, ClaimRequest, role=admin,
                  media=json),
            Route("DELETE", "/claims/{claim}", "revokeClaim", ended, self.revoke, ClaimView, path_fields=name,
                  role=admin),
            Route("GET", "/enrolments", "listEnrolments", "Enrolments, the newest first.", self.page, EnrolmentPage,
                  EnrolmentsQuery),
            Route("POST", "/enrolments/{enrolment}:approve", "approveEnrolment", yes, self.approve, EnrolmentView,
                  path_fields=ID),
            Route("POST", "/enrolments/{enrolment}:refuse", "refuseEnrolment", no, self.refuse, EnrolmentView,
                  DecisionQuery, path_fields=ID),
        ]  # fmt: skip

    async def claims(self, call: Call) -> Answer:
        """GET /claims."""
        query: ClaimsQuery = call.query
        rows = await list_claims(self._pool, text_cursor(query), query.revoked, query.limit + 1)
        page, more = page_of(rows, query.limit, "name")
        return Answer(ClaimPage(items=tuple(ClaimView(**asdict(row)) for row in page), next=more))

    async def create(self, call: Call) -> Answer:
        """POST /claims."""
        asked = read_body(ClaimRequest, call)
        made, token = await self._claims.make(
            asked.name, asked.site, asked.uses, asked.until, asked.approval, call.who.name
        )
        return Answer(ClaimMade(**asdict(made), token=token))

    async def revoke(self, call: Call) -> Answer:
        """DELETE /claims/{claim}."""
        return Answer(ClaimView(**asdict(await self._claims.revoke(call.path["claim"], call.who.name))))

    async def page(self, call: Call) -> Answer:
        """GET /enrolments."""
        query: EnrolmentsQuery = call.query
        before = MAX_ID
        if query.cursor is not None:
            match query.cursor:
                case [int() as before] if 0 < before <= MAX_ID:
                    pass
                case _:
                    raise invalid("cursor", "this is no cursor of this list", CURSOR_FIX)
        rows = await list_enrolments(self._pool, before, query.state, query.device, query.limit + 1)
        page, more = page_of(rows, query.limit, "id")
        return Answer(EnrolmentPage(items=tuple(_view(row) for row in page), next=more))

    async def approve(self, call: Call) -> Answer:
        """POST /enrolments/{enrolment}:approve."""
        return await self._one(await self._enrolling.approve(call.path["enrolment"], call.who.name))

    async def refuse(self, call: Call) -> Answer:
        """POST /enrolments/{enrolment}:refuse."""
        query: DecisionQuery = call.query
        return await self._one(await self._enrolling.refuse(call.path["enrolment"], call.who.name, query.reason))

    async def _one(self, number: int) -> Answer:
        [row] = await list_enrolments(self._pool, number + 1, None, None, 1)
        return Answer(_view(row))


def _view(row: ListedEnrolment) -> EnrolmentView:
    return EnrolmentView.model_validate(asdict(row))
