"""Which token of the settings is taken, and what is said of others."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from broker.errors import PermanentError
from gateway.settings import GatewaySettings

GOOD = "4f1c9e0b7d3a58264f1c9e0b"


@pytest.mark.parametrize(
    ("token", "told"),
    [
        ("", "is empty"),
        ("short", "hard to guess"),
        (GOOD[:-1], "hard to guess"),
        ("a" * 64, "hard to guess"),
        (GOOD + " x", "hard to guess"),
        (GOOD + "\n", "hard to guess"),
        (GOOD + "ü", "hard to guess"),
    ],
)
def test_a_weak_token_is_refused(token: str, told: str) -> None:
    """Empty, short, monotonous, or not fit for a header: refused with what to do, and not repeated."""
    with pytest.raises(ValidationError, match=rf"api_token\n.*{told}.*openssl rand -hex 32") as refused:
        GatewaySettings(database_dsn=SecretStr("postgresql://h/d"), api_token=SecretStr(token))
    assert not token or token not in str(refused.value)


def test_a_good_token_opens_the_gateway_to_others() -> None:
    """24 characters are enough; without any the API stays at home."""
    settings = GatewaySettings(database_dsn=SecretStr("x"), api_token=SecretStr(GOOD), http_host="0.0.0.0")
    assert settings.listen_host() == ("0.0.0.0", "as set")
    assert GatewaySettings(database_dsn=SecretStr("x"), http_host="0.0.0.0").listen_host()[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("said", "by"),
    [
        ({"ca": {"folder": Path("/ca")}}, "own authority"),
        ({"ca": {"folder": Path("/ca")}, "http_host": "127.0.0.1"}, "nobody"),
        ({"tls": {"certificate": Path("/pem"), "key": Path("/key")}}, "files"),
        ({"http_plaintext": True}, "nobody"),
        ({"proxies": "10.0.0.1"}, "nobody"),
        ({"api_token": None}, "nobody"),
    ],
)
def test_others_than_this_host_are_served_over_tls(said: dict[str, Any], by: str) -> None:
    """By files, else by the gateway's own authority; in plain only behind a proxy, or where it is asked for by name."""
    given: dict[str, Any] = {"database_dsn": SecretStr("x"), "api_token": SecretStr(GOOD), "http_host": "0.0.0.0"}
    assert GatewaySettings(**(given | said)).tls_by() == by


def test_tokens_cross_no_network_in_plain_by_default() -> None:
    """Without any of these the gateway does not start, and says what to do."""
    settings = GatewaySettings(database_dsn=SecretStr("x"), api_token=SecretStr(GOOD), http_host="0.0.0.0")
    with pytest.raises(PermanentError, match=r"^WATTLINE_GATEWAY_HTTP_HOST: .*CA__FOLDER.*HTTP_PLAINTEXT=true"):
        settings.check_files()
