"""What a broker is told so that it lets in whom the store does."""

from dataclasses import replace

import pytest

from broker.contract.topics import Topics
from broker.mosquitto.dynamic_security import Login, Present, device_login
from gateway.credentials.matching import Difference, changes, difference
from gateway.credentials.store import CredentialState


def at_broker(*identities: str) -> dict[str, Present]:
    """Devices that a broker lets in as it should."""
    return {name: Present(device_login(name)) for name in identities}


def test_the_broker_is_told_what_differs_and_nothing_else() -> None:
    """Revoked ones that it lets in, certificates that it lacks, passwords that it lost, and logins made by hand."""
    states = [
        CredentialState("kept", "certificate", revoked=False),
        CredentialState("new~2", "certificate", revoked=False),
        CredentialState("typed", "password", revoked=False),
        CredentialState("gone", "password", revoked=False),
        CredentialState("stolen", "certificate", revoked=True),
        CredentialState("stolen-long-ago", "password", revoked=True),
    ]
    logins = at_broker("kept", "typed", "stolen", "by-hand") | {"anna": Present(Login("anna", ("engineer",), "anna"))}
    found = difference(states, logins)
    assert found == Difference(revoked=("stolen",), missing=("new~2",), wrong=(), lost=("gone",), found=("by-hand",))
    assert found.unmatched == 2


GOOD = Present(device_login("pi-1~2"))


@pytest.mark.parametrize(
    ("present", "wrong"),
    [
        (GOOD, False),
        (replace(GOOD, login=replace(GOOD.login, roles=("device:pi-1", "device"))), False),
        (replace(GOOD, login=replace(GOOD.login, roles=("device",))), True),
        (replace(GOOD, login=replace(GOOD.login, roles=("device", "device:pi-2"))), True),
        (replace(GOOD, login=replace(GOOD.login, roles=("device", "device:pi-1", "ingestor"))), True),
        (replace(GOOD, login=replace(GOOD.login, client_id="wattline-ingestor")), True),
        (replace(GOOD, disabled=True), True),
    ],
)
def test_a_login_without_what_is_its_own_is_mended(present: Present, wrong: bool) -> None:
    """Its device's role, no other, its own client id, enabled: what is not so is made so, whatever its name says."""
    states = [CredentialState("pi-1~2", "certificate", revoked=False)]
    found, commands = changes(states, {"pi-1~2": present}, {"device:pi-1"}, Topics())
    assert found.wrong == (("pi-1~2",) if wrong else ())
    assert [one["command"] for one in commands] == (["modifyClient", "enableClient"] if wrong else [])


def test_a_device_s_role_outlasts_its_logins() -> None:
    """It is made where it is missing, and never taken away: deleting one that a login has kills a Mosquitto 2.0."""
    old, new = (
        CredentialState("pi-1", "password", revoked=True),
        CredentialState("pi-1~2", "certificate", revoked=False),
    )
    names = [("deleteClient", "pi-1"), ("createClient", "pi-1~2")]
    _, commands = changes([old, new], at_broker("pi-1"), {"device:pi-1"}, Topics())
    assert [(one["command"], one["username"]) for one in commands] == names
    _, commands = changes([old, new], at_broker("pi-1"), (), Topics())
    assert [one["command"] for one in commands] == ["deleteClient", "createRole", "createClient"]
    _, commands = changes([old], at_broker("pi-1"), {"device:pi-1"}, Topics())
    assert [one["command"] for one in commands] == ["deleteClient"]


def test_people_and_services_are_nobody_s_to_revoke() -> None:
    """A login that is no device's is neither removed nor entered, unless it was revoked by its very name."""
    logins = {name: Present(Login(name, (role,))) for name, role in (("anna", "engineer"), ("ingestor", "ingestor"))}
    assert difference([], logins) == Difference((), (), (), (), ())
