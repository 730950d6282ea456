"""Signatures, addresses, and what an answer means."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from ingestor.notices.addresses import ForbiddenAddressError, check, is_public
from ingestor.notices.outcome import CAP_S, MAX_ANSWER, MOST_ASKED_S, judged, pause
from ingestor.notices.signing import headers

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def test_signatures_are_what_the_standards_own_library_verifies() -> None:
    """And it refuses them for another body, id or secret."""
    body = json.dumps({"text": "Zähler"}, ensure_ascii=False).encode()
    made = headers(SECRET, "msg_1", datetime.now(UTC), body)
    assert Webhook(SECRET).verify(body, made) == {"text": "Zähler"}
    other = "whsec_" + base64.b64encode(b"j" * 32).decode()
    for secret, payload, changed in (
        (SECRET, body + b" ", made),
        (SECRET, body, made | {"webhook-id": "msg_2"}),
        (other, body, made),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(payload, changed)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "224.0.0.1", "239.1.1.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "localhost", "", "/run/x.sock",
    ],
)  # fmt: skip
def test_what_is_not_the_worlds_is_not_reached(address: str) -> None:
    """Neither the machine nor its networks, in whatever clothes; a name is no address."""
    assert not is_public(address)
    with pytest.raises(ForbiddenAddressError, match="NOTICES_PRIVATE"):
        check("host", ["1.1.1.1", address])


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_the_worlds_addresses_are(address: str) -> None:
    """Also written as IPv6."""
    check("host", [address])


@pytest.mark.parametrize(
    ("status", "state"),
    [(200, "sent"), (204, "sent"), (301, "dead"), (307, "dead"), (400, "dead"), (404, "dead"), (410, "dead"),
     (408, "again"), (425, "again"), (429, "again"), (500, "again"), (503, "again")],
)  # fmt: skip
def test_only_2xx_is_a_yes_and_no_redirect_is_followed(status: int, state: str) -> None:
    """What may heal is tried again; what says that the message is wrong is not."""
    outcome = judged(status, "x" * 10_000, None, NOW)
    assert outcome.state == state
    assert len(outcome.answer) <= MAX_ANSWER
    assert outcome.answer.startswith(f"HTTP {status}")


def test_whoever_asks_us_to_rest_is_obeyed_up_to_hours() -> None:
    """RFC 9110 10.2.3."""
    assert judged(429, "", "Mon, 30 Nov 2026 12:01:00 GMT", NOW).retry_after_s == 60.0
    assert judged(503, "", "999999999", NOW).retry_after_s == MOST_ASKED_S
    assert judged(503, "", "soon", NOW).retry_after_s is None


def test_pauses_double_up_to_an_hour_with_chance_and_obey_who_asks() -> None:
    """Each at least half of its ceiling, or what the other side asked for."""
    assert all(timedelta(seconds=2.5) <= pause(1, None) <= timedelta(seconds=5) for _ in range(20))
    assert all(timedelta(seconds=10) <= pause(3, None) <= timedelta(seconds=20) for _ in range(20))
    assert pause(10_000, None) <= timedelta(seconds=CAP_S)
    assert pause(1, 600) == timedelta(seconds=600)
    assert len({pause(5, None) for _ in range(10)}) > 1


def test_the_process_that_sends_by_apprise_is_small() -> None:
    """It imports no driver and no server: a message costs a process, and that is to be cheap."""
    text = (Path(__file__).parents[4] / "ingestor" / "notices" / "apprise_process.py").read_text()
    assert "from ingestor.notices.addresses import" in text
    assert text.count("\nfrom ") == 2
