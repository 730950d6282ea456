"""What proves a post: published examples of each style, and each way in which a proof may be none."""

import base64
import hmac
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from intake.hooks.proofs import SIGNATURES_MOST, Prover, decoy, prover
from intake.hooks.refusals import HookRefusal
from store.source_settings import SourceSettings, new_secret

NOW_S = 1614265330.0
GITHUB = "It's a Secret to Everybody", b"Hello, World!"
GITHUB_SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
"""The example of GitHub's page on validating webhook deliveries."""
STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
STANDARD_HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
"""The example of Standard Webhooks' libraries."""


def made(document: dict[str, Any], *words: str) -> Prover:
    return prover(SourceSettings.model_validate(document), words)


def refusal(one: Prover, headers: Mapping[str, str], body: bytes = b"", now_s: float = NOW_S, *names: str) -> str:
    """The word of the metric, empty where the post is proved."""
    try:
        one.check(headers, names, body, now_s)
    except HookRefusal as refused:
        return refused.reason if refused.status in (401, 403) and refused.field else f"odd: {refused!r}"
    return ""


def test_the_published_example_of_github() -> None:
    """A body that was changed is none of the secret's."""
    secret, body = GITHUB
    one = made({"signature_style": "github"}, secret)
    assert refusal(one, {"X-Hub-Signature-256": GITHUB_SIGNATURE}, body) == ""
    assert refusal(one, {"X-Hub-Signature-256": GITHUB_SIGNATURE}, body + b" ") == "unproved"
    assert refusal(one, {}, body) == "unproved"


def test_the_published_example_of_standard_webhooks() -> None:
    """Id, time and body are signed, and a copy is refused when it comes late."""
    secret, body = STANDARD
    one = made({"signature_style": "standard"}, secret)
    assert refusal(one, STANDARD_HEADERS, body) == ""
    assert refusal(one, STANDARD_HEADERS, body, NOW_S + 299) == ""
    assert refusal(one, STANDARD_HEADERS, body, NOW_S + 301) == "replayed"
    assert refusal(one, STANDARD_HEADERS, body, NOW_S - 301) == "replayed"
    for name, value in STANDARD_HEADERS.items():
        assert refusal(one, {key: other for key, other in STANDARD_HEADERS.items() if key != name}, body) == "unproved"
        assert refusal(one, STANDARD_HEADERS | {name: value + "1"}, body) == "unproved"


def stripe(secret: str, at: str, body: bytes) -> str:
    return f"t={at},v1={hmac.digest(secret.encode(), at.encode() + b'.' + body, 'sha256').hex()}"


def test_the_form_of_stripe() -> None:
    """Time and signature in one header, with what else it may have; the window is as set."""
    one = made({"signature_style": "stripe", "replay_window_s": 10}, "s3cret")
    good = stripe("s3cret", "1614265330", b"{}")
    assert refusal(one, {"Stripe-Signature": good + ",v0=00"}, b"{}") == ""
    assert refusal(one, {"Stripe-Signature": good}, b"{}", NOW_S + 11) == "replayed"
    assert refusal(one, {"Stripe-Signature": stripe("other", "1614265330", b"{}")}, b"{}") == "unproved"
    assert refusal(one, {"Stripe-Signature": good.replace("t=", "x=")}, b"{}") == "unproved"
    assert refusal(one, {"Stripe-Signature": stripe("s3cret", "now", b"{}")}, b"{}") == "replayed"
    assert refusal(one, {"Stripe-Signature": stripe("s3cret", "9" * 5000, b"{}")}, b"{}") == "replayed"


def test_headers_of_any_name_hex_or_base64() -> None:
    """Style plain, by its own names of headers or by others; and the body alone by style github."""
    digest = hmac.digest(b"s3cret", b"5.body", "sha256")
    one = made({"signature_header": "X-Sig", "timestamp_header": "X-Time"}, "s3cret")
    for shown in (digest.hex(), base64.b64encode(digest).decode(), "sha256=" + digest.hex()):
        assert refusal(one, {"X-Sig": shown, "X-Time": "5"}, b"body", 5.0) == ""
    assert refusal(one, {"X-Sig": digest.hex()}, b"body", 5.0) == "unproved"
    usual = {"X-Wattline-Signature": digest.hex(), "X-Wattline-Timestamp": "5"}
    assert refusal(made({}, "s3cret"), usual, b"body", 5.0) == ""
    bare = made({"signature_style": "github", "signature_header": "X-Sig"}, "s3cret")
    assert refusal(bare, {"X-Sig": hmac.digest(b"s3cret", b"body", "sha256").hex()}, b"body") == ""


def test_a_secret_that_changes_is_believed_beside_the_one_before() -> None:
    """And a sender may sign by both; how many are looked at is bounded."""
    secret, body = STANDARD
    both = made({"signature_style": "standard"}, "whsec_AAAA", secret)
    assert refusal(both, STANDARD_HEADERS, body) == ""
    many = "v1,AAAA " * SIGNATURES_MOST + STANDARD_HEADERS["webhook-signature"]
    assert refusal(both, STANDARD_HEADERS | {"webhook-signature": many}, body) == "unproved"


@pytest.mark.parametrize("value", ["", "v1,", "v1,@@@", "sha256=", "\udce9", "t=1,v1=zz", "v2,AAAA", "a" * 64, ",,,="])
@pytest.mark.parametrize("style", ["standard", "stripe", "github", "plain"])
def test_nonsense_is_no_signature(style: str, value: str) -> None:
    """It is refused, whatever bytes it has."""
    names = {"standard": "webhook-signature", "stripe": "Stripe-Signature", "github": "X-Hub-Signature-256"}
    one = made({"signature_style": style}, "AAAA")
    stamps = dict.fromkeys(("webhook-id", "webhook-timestamp", "X-Wattline-Timestamp"), value)
    headers = stamps | {names.get(style, "X-Wattline-Signature"): value}
    assert refusal(one, headers, b"body") in ("unproved", "replayed")


def test_a_token() -> None:
    """Behind `Bearer`, in whatever letters that is."""
    one = made({"auth": "bearer"}, "token-1", "token-0")
    assert not one.needs_body
    assert refusal(one, {"Authorization": "Bearer token-1"}) == ""
    assert refusal(one, {"Authorization": "bearer token-0"}) == ""
    for wrong in ("token-1", "Bearer", "Bearer token", "Basic token-1", "Bearer \udce9"):
        assert refusal(one, {"Authorization": wrong}) == "unproved"


def test_a_certificate() -> None:
    """By one of its names, in any letters; another's is known and may not."""
    one = made({"auth": "mtls", "client_name": "meters.example.com"})
    assert refusal(one, {}, b"", NOW_S, "cn", "Meters.Example.com") == ""
    assert refusal(one, {}) == "unproved"
    assert refusal(one, {}, b"", NOW_S, "other.example.com") == "forbidden"


def test_what_stands_for_an_unknown_source_is_never_right() -> None:
    """Whatever is shown."""
    assert refusal(decoy(), {"Authorization": "Bearer "}, b"") == "unproved"
    assert refusal(decoy(), {}, b"") == "unproved"


def test_secrets_of_no_use_are_said() -> None:
    """Before any post comes."""
    with pytest.raises(ValueError, match="base64"):
        made({"signature_style": "standard"}, "whsec_no base64!")
    with pytest.raises(ValueError, match="no secret"):
        made({"auth": "bearer"})
    with pytest.raises(ValueError, match="no secret"):
        made({"auth": "bearer"}, "")


def test_headers_that_are_not_named_are_those_of_the_style() -> None:
    """As the document is stored it has them all."""
    found = SourceSettings.model_validate({"signature_style": "standard", "timestamp_header": "X-Time"})
    assert (found.signature_header, found.timestamp_header) == ("webhook-signature", "X-Time")
    assert SourceSettings.model_validate(found.model_dump()) == found
    assert SourceSettings().signature_header == "X-Wattline-Signature"
    # as an engineer changes one field of a document that has all
    other = SourceSettings.model_validate(SourceSettings().model_dump() | {"signature_style": "github"})
    assert other.signature_header == "X-Hub-Signature-256"
    back = SourceSettings.model_validate(other.model_dump() | {"signature_style": "plain"})
    assert back == SourceSettings()


def test_a_secret_that_is_made_is_of_use_to_every_style() -> None:
    """Also where its bytes are wanted."""
    for style in ("plain", "standard", "stripe", "github"):
        word = new_secret()
        assert len(word) == 44
        made({"signature_style": style}, word)
    assert base64.b64decode(word, validate=True)


@pytest.mark.parametrize(
    "document",
    [{"signature_style": "none"}, {"bytes_per_second": 0}, {"content_types": ["json"]}, {"signature_header": "a b"}],
)
def test_settings_that_mean_nothing_are_refused(document: dict[str, Any]) -> None:
    """A source's document names no more than it can do."""
    with pytest.raises(ValidationError):
        SourceSettings.model_validate(document)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "sign TIME.BODY (the body as sent)"), ({"signature_style": "standard"}, "sign ID.TIME.BODY"),
        ({"signature_style": "stripe"}, "Stripe-Signature: t=TIME,v1=HEX"),
        ({"signature_style": "github"}, "X-Hub-Signature-256: sha256=HEX"),
        ({"auth": "bearer"}, "send Authorization: Bearer TOKEN"),
        ({"auth": "mtls", "client_name": "a"}, "an authority that this server knows"),
    ],
)  # fmt: skip
def test_a_sender_is_told_how_to_prove_itself(document: dict[str, Any], said: str) -> None:
    """Without our API, which it reaches as little as our documents."""
    with pytest.raises(HookRefusal) as refused:
        made(document, "QUFB").check({}, (), b"", NOW_S)
    assert said in refused.value.fix
    assert "/api/" not in refused.value.fix


def test_milliseconds_are_called_so() -> None:
    """By who signed them rightly; others learn nothing of the time."""
    at = f"{NOW_S * 1000:.0f}"
    one = made({"signature_style": "stripe"}, "s3cret")
    with pytest.raises(HookRefusal, match="the time stamp is wrong: it seems to be milliseconds"):
        one.check({"Stripe-Signature": stripe("s3cret", at, b"{}")}, (), b"{}", NOW_S)
