"""Routes about what a device logs in at the broker by: shown, revoked, and given a new password."""

from dataclasses import asdict

from pydantic import Field

from broker.contract.messages import At
from gateway.api.route import Answer, Call, Route
from gateway.credentials.access import Access
from gateway.credentials.store import Credential, CredentialKind
from gateway.models import ApiModel, AuthorQuery, ReasonQuery
from gateway.roles import Role

ONE = "/devices/{device}/credentials"


class CredentialView(ApiModel):
    """An identity by which a device logs in at the broker, or did until it was revoked."""

    identity: str = Field(description="The user name at the broker; a certificate's common name.")
    kind: CredentialKind
    granted_at: At
    granted_by: str = Field(description="`broker` for a login that somebody made there.")
    revoked_at: At | None
    revoked_by: str | None
    reason: str | None


class CredentialList(ApiModel):
    """All credentials of a device, the oldest first."""

    device: str
    items: tuple[CredentialView, ...]


class NewPasswordView(ApiModel):
    """A new password, which nobody can be shown again."""

    device: str
    identity: str
    password: str


class CredentialRoutes:
    """A device's credentials."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[Route]:
        """The routes served here."""
        fields = {"device": "The device's id."}
        every = "What a device logs in at the broker by, also what was revoked."
        revoke = "End all of a device's logins; within seconds the broker cuts it off and lets it in no more."
        rotate = "Give a device a new password, shown this once; the one of before lets nobody in any more."
        return [
            Route("GET", ONE, "listCredentials", every, self.all, CredentialList, path_fields=fields),
            Route("POST", f"{ONE}:revoke", "revokeCredentials", revoke, self.revoke, CredentialList, ReasonQuery,
                  path_fields=fields),
            Route("POST", f"{ONE}:rotate", "rotateCredential", rotate, self.rotate, NewPasswordView, AuthorQuery,
                  path_fields=fields, role=Role.ADMIN),
        ]  # fmt: skip

    async def all(self, call: Call) -> Answer:
        """GET /devices/{device}/credentials."""
        device = call.path["device"]
        return Answer(_listed(device, await self._access.of(device)))

    async def revoke(self, call: Call) -> Answer:
        """POST /devices/{device}/credentials:revoke."""
        query: ReasonQuery = call.query
        device = call.path["device"]
        return Answer(_listed(device, await self._access.revoke(device, query.author, query.reason)))

    async def rotate(self, call: Call) -> Answer:
        """POST /devices/{device}/credentials:rotate."""
        query: AuthorQuery = call.query
        device = call.path["device"]
        made = await self._access.rotate(device, query.author)
        return Answer(NewPasswordView(device=device, identity=made.identity, password=made.password))


def _listed(device: str, found: list[Credential]) -> CredentialList:
    items = [asdict(one) for one in found]
    return CredentialList(
        device=device,
        items=tuple(CredentialView(**{name: of[name] for name in CredentialView.model_fields}) for of in items),
    )
