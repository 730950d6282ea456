"""Logins and rights in the plugin's words."""

import json

import pytest

from broker.errors import ContractError, PermanentError
from broker.mosquitto.dynamic_security import Document, Held, Login, device_login, put_login, put_role
from broker.mosquitto.installation import login_of
from broker.mosquitto.passwords import hashed
from broker.mosquitto.rights import Act, Grant

_GRANTS = [Grant(Act.PUBLISH, "a/b"), Grant(Act.SUBSCRIBE, "a/#"), Grant(Act.PUBLISH, "a/b")]


def test_a_document_denies_what_is_not_granted() -> None:
    """The plugin's own defaults would let everybody receive and unsubscribe."""
    document = Document()
    assert document.tree["defaultACLAccess"] == {
        "publishClientSend": False, "publishClientReceive": False, "subscribe": False, "unsubscribe": False,
    }  # fmt: skip


def test_a_document_is_read_as_it_was_written() -> None:
    """Roles, logins and hashes; each stands once, and what is put again replaces what was."""
    document = Document()
    document.put_role("r", [Grant(Act.PUBLISH, "old")])
    document.put_role("r", _GRANTS)
    document.put_login(Login("pi-1", ("r",), "pi-1"), hashed("one"))
    document.put_login(Login("pi-1", ("r",), "pi-1"))
    again = Document.parse(document.text())
    assert again.roles == {"r": frozenset(_GRANTS)}
    assert again.logins == {"pi-1"}
    (client,) = again.tree["clients"]
    assert (client["clientid"], client["roles"]) == ("pi-1", [{"rolename": "r"}])
    assert {"password", "salt", "iterations"} <= client.keys()
    assert len(again.tree["roles"][0]["acls"]) == 2


def test_a_denial_goes_before_what_is_allowed() -> None:
    """The plugin takes the first that fits, by priority; what is read again is what was put."""
    grants = [Grant(Act.PUBLISH, "a/#"), Grant(Act.PUBLISH, "a/b/#", allow=False)]
    document = Document()
    document.put_role("r", grants)
    assert document.tree["roles"][0]["acls"] == [
        {"acltype": "publishClientSend", "topic": "a/#", "allow": True},
        {"acltype": "publishClientSend", "topic": "a/b/#", "allow": False, "priority": 1},
    ]
    assert Document.parse(document.text()).roles == {"r": frozenset(grants)}


def test_what_we_do_not_know_of_a_document_is_kept() -> None:
    """Somebody's own groups, and that a login is disabled, outlast what we put."""
    text = json.dumps({"groups": [{"groupname": "g"}], "clients": [{"username": "pi-1", "disabled": True}]})
    document = Document.parse(text)
    document.put_login(device_login("pi-1"), hashed("x"))
    assert document.tree["groups"] == [{"groupname": "g"}]
    assert document.tree["clients"][0]["disabled"] is True


@pytest.mark.parametrize("text", ["", "x", "[]", '{"clients": 3}'])
def test_a_file_that_is_no_such_document_is_refused(text: str) -> None:
    """Writing over it would lock a fleet out: it is said instead."""
    with pytest.raises(PermanentError, match="restore it from a backup"):
        Document.parse(text)


def test_commands_follow_what_the_broker_has() -> None:
    """What is there is changed, what is not is made; a login that is there and has no new password is left alone."""
    empty, full = Held(frozenset(), frozenset()), Held(frozenset({"pi-1"}), frozenset({"r"}))
    login = Login("pi-1", ("r",), "pi-1")
    assert put_role("r", _GRANTS, empty)["command"] == "createRole"
    assert put_role("r", _GRANTS, full)["command"] == "modifyRole"
    (made,) = put_login(login, None, empty)
    assert made == {"command": "createClient", "username": "pi-1", "clientid": "pi-1", "roles": [{"rolename": "r"}]}
    assert put_login(login, None, full) == []
    (changed,) = put_login(login, "w", full)
    assert changed == made | {"command": "modifyClient", "password": "w"}
    assert put_login(Login("pi-1", ("r",)), "w", full)[0]["clientid"] == ""


@pytest.mark.parametrize(
    ("user", "role", "roles", "client_id"),
    [
        ("pi-1", None, ("device", "device:pi-1"), "pi-1"),
        ("pi-1~2", None, ("device", "device:pi-1"), "pi-1~2"),
        ("ingestor", None, ("ingestor",), None),
        ("gateway", None, ("gateway",), None),
        ("monitor", None, ("monitor",), "monitor"),
        ("wattline-anna", "engineer", ("engineer",), "wattline-anna"),
        ("wattline-ingestor-east", "ingestor", ("ingestor",), None),
    ],
)
def test_a_login_is_bound_to_its_client_id(
    user: str, role: str | None, roles: tuple[str, ...], client_id: str | None
) -> None:
    """Devices, engineers and watchers have one client id; only services choose theirs."""
    assert login_of(user, role) == Login(user, roles, client_id)


@pytest.mark.parametrize(
    "user", ["", "a:b", "pi/1", "pi+1", "#", "pi\n2", "x" * 65, "pi~", "pi~0", "pi~a", "wattline-x"]
)
def test_a_user_that_can_be_no_device_is_refused(user: str) -> None:
    """A name that would escape its topics, and the platform's own."""
    with pytest.raises(ContractError) as refused:
        login_of(user)
    assert refused.value.field == "user"


@pytest.mark.parametrize("user", ["wattline-ingestor", "wattline-gateway-2", "wattline-admin"])
def test_a_person_has_no_service_s_client_id(user: str) -> None:
    """A person's name is their client id: one of a service's would push that out."""
    with pytest.raises(ContractError, match="service's client id") as refused:
        login_of(user, "engineer")
    assert refused.value.field == "user"
