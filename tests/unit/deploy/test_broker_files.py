"""Mosquitto's files as they are rendered from the contract."""

import base64
import hashlib
from pathlib import Path

import pytest

from broker.errors import ContractError
from broker.mosquitto import ROLES, TlsFiles, password_entry, render_acl, render_config, render_passwords
from broker.topics import Topics


def _section(acl: str, user: str) -> set[str]:
    return set(acl.split(f"user {user}\n")[1].split("\n\n", maxsplit=1)[0].splitlines())


def test_devices_are_bound_to_their_own_topics_by_patterns() -> None:
    """Every pattern names the user's own device, but for the specs, which all may read."""
    patterns = [line for line in render_acl(Topics("acme/v1")).splitlines() if line.startswith("pattern ")]
    assert sorted(patterns) == sorted(
        [
            "pattern write acme/v1/devices/%u/status",
            "pattern write acme/v1/devices/%u/registration",
            "pattern write acme/v1/devices/%u/readings",
            "pattern write acme/v1/devices/%u/frames",
            "pattern write acme/v1/devices/%u/events",
            "pattern write acme/v1/devices/%u/config/reported",
            "pattern write acme/v1/devices/%u/replies",
            "pattern read acme/v1/devices/%u/config/desired",
            "pattern read acme/v1/devices/%u/receipts",
            "pattern read acme/v1/devices/%u/commands/#",
            "pattern read acme/v1/specs/+/+",
        ]
    )


def test_roles_have_no_more_than_their_work_needs() -> None:
    """The ingestor writes receipts, the gateway what it answers for, engineers desired configurations and specs."""
    acl = render_acl(Topics())
    writes = {role: {line for line in _section(acl, role) if "write" in line} for role in ROLES}
    assert writes == {
        "ingestor": {"topic write wattline/v1/devices/+/receipts"},
        "gateway": {
            "topic readwrite wattline/v1/devices/+/config/desired",
            "topic readwrite wattline/v1/specs/+/+",
            "topic write wattline/v1/devices/+/commands/+",
        },
        "engineer": {"topic write wattline/v1/devices/+/config/desired", "topic write wattline/v1/specs/+/+"},
        "monitor": set(),
    }
    assert "topic read $SYS/#" in _section(acl, "ingestor")


def test_config_admits_nobody_without_a_password_and_keeps_what_it_holds() -> None:
    """The lines that carry promises of DESIGN.md are there."""
    lines = render_config(1883, Path("/data/my broker")).splitlines()
    assert "listener 1883 127.0.0.1" in lines
    assert "allow_anonymous false" in lines
    assert "persistence true" in lines
    assert "persistence_location /data/my broker/" in lines
    assert "max_queued_messages 1000000" in lines
    assert not any(line.startswith(("certfile", "cafile")) for line in lines)


def test_config_with_tls_names_the_files() -> None:
    """A listener with TLS gets certificate, key and trust, directly after its own line."""
    tls = TlsFiles(Path("/tls/cert"), Path("/tls/key"), Path("/tls/ca"), require_client_certificate=True)
    lines = render_config(8883, Path("/data"), host="0.0.0.0", tls=tls).splitlines()
    start = lines.index("listener 8883 0.0.0.0")
    assert lines[start + 1 : start + 6] == [
        "cafile /tls/ca",
        "certfile /tls/cert",
        "keyfile /tls/key",
        "tls_version tlsv1.2",
        "require_certificate true",
    ]


def test_password_entry_is_pbkdf2_with_sha512() -> None:
    """The hash can be recomputed from what the line says of salt and iterations."""
    user, rest = password_entry("pi-1", "secret").split(":", 1)
    _, form, iterations, salt, key = rest.split("$")
    assert (user, form) == ("pi-1", "7")
    expected = hashlib.pbkdf2_hmac("sha512", b"secret", base64.b64decode(salt), int(iterations))
    assert base64.b64decode(key) == expected
    assert len(base64.b64decode(salt)) == 12


def test_each_password_entry_has_a_salt_of_its_own() -> None:
    """Two users with the same password cannot be told to have it."""
    first, second = render_passwords({"pi-1": "same", "pi-2": "same"}).splitlines()
    assert first.split("$")[3] != second.split("$")[3]


@pytest.mark.parametrize("user", ["", "a:b", "pi/1", "pi+1", "#", "pi\n2", "x" * 65])
def test_user_that_could_escape_its_topics_is_refused(user: str) -> None:
    """A user name ends up in topics and in a line of a file, so it is held to the form of a device id."""
    with pytest.raises(ContractError) as refused:
        password_entry(user, "secret")
    assert refused.value.field == "user"


def test_empty_password_is_refused() -> None:
    """An empty password would let anybody be that device."""
    with pytest.raises(ContractError, match="password"):
        password_entry("pi-1", "")
