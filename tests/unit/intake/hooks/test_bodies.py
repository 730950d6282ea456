"""Bodies: compression, bombs, halves; keys; content types; and how much a source may send."""

import gzip
import hashlib
import zlib

import pytest

from intake.hooks.bodies import check_encoding, inflate, is_taken, key_of
from intake.hooks.rates import Rate
from intake.hooks.refusals import REASONS, HookRefusal

BODY = b'{"meter": "a", "kwh": 1.5}' * 40


def raw_deflate(body: bytes) -> bytes:
    made = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return made.compress(body) + made.flush()


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        ("", BODY),
        ("identity", BODY),
        ("gzip", gzip.compress(BODY, mtime=0)),
        ("x-gzip", gzip.compress(BODY[:100], mtime=0) + gzip.compress(BODY[100:], mtime=0)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", raw_deflate(BODY)),
    ],
)
def test_each_compression_gives_the_body(encoding: str, sent: bytes) -> None:
    """Also a gzip of several members, and deflate without its head; exactly the limit is no more than it."""
    assert inflate(sent, encoding, len(BODY)) == BODY
    if encoding not in ("", "identity"):
        with pytest.raises(HookRefusal) as refused:
            inflate(sent, encoding, len(BODY) - 1)
        assert (refused.value.status, refused.value.reason) == (413, "too_large")


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_stopped_at_the_limit(encoding: str) -> None:
    """100 MB in 100 kB, of which no more than the limit is ever made."""
    bomb = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS if encoding == "gzip" else zlib.MAX_WBITS)
    sent = b"".join(bomb.compress(bytes(2**20)) for _ in range(100)) + bomb.flush()
    with pytest.raises(HookRefusal) as refused:
        inflate(sent, encoding, 10_000)
    assert refused.value.status == 413


@pytest.mark.parametrize("cut", [1, 5, 12, 30, -9, -5, -1])
def test_half_of_a_gzip_is_damaged(cut: int) -> None:
    """Wherever it ends; and a wrong check sum is, too."""
    sent = gzip.compress(BODY, mtime=0)
    for damaged in (sent[:cut], sent[:-8] + bytes(8), sent + b"more", b"no gzip"):
        with pytest.raises(HookRefusal) as refused:
            inflate(damaged, "gzip", 10**6)
        assert (refused.value.status, refused.value.reason) == (400, "damaged")


def test_encodings_that_are_not_taken_are_named() -> None:
    """With what would be."""
    assert check_encoding(" GZIP ") == "gzip"
    with pytest.raises(HookRefusal, match="br") as refused:
        check_encoding("br")
    assert refused.value.status == 415
    assert "gzip" in refused.value.fix


def test_the_key_of_a_post() -> None:
    """The sender's own, of either header, with quotes or without; else the digest of the body."""
    names = ("Idempotency-Key", "webhook-id")
    assert key_of({"Idempotency-Key": '"8e03978e"', "webhook-id": "msg_1"}, b"x", *names) == "8e03978e"
    assert key_of({"webhook-id": "msg_1"}, b"x", *names) == "msg_1"
    assert key_of({"webhook-id": "msg_1"}, b"x", "Idempotency-Key", None) == hashlib.sha256(b"x").hexdigest()
    for wrong in ("", '""', "a" * 256, "caf\u00e9", "tab\there", "\udce9"):
        with pytest.raises(HookRefusal) as refused:
            key_of({"Idempotency-Key": wrong}, b"x", *names)
        assert (refused.value.status, refused.value.field) == (422, "Idempotency-Key")


def test_content_types() -> None:
    """Any where the source names none; by kind or by name else, whatever stands behind."""
    assert is_taken("", ())
    assert is_taken("Text/CSV; charset=utf-8", ("text/*",))
    assert is_taken("application/json", ("text/csv", "application/json"))
    assert not is_taken("application/jsonp", ("application/json",))
    assert not is_taken("", ("text/*",))


def test_a_rate_lets_a_burst_through_and_then_its_share() -> None:
    """After which it says how long to wait, in posts or in bytes, whichever is scarcer."""
    rate = Rate(posts_per_s=10, burst=10, bytes_per_s=1000, burst_bytes=1000)
    assert [rate.take(10, 0.0) for _ in range(10)] == [0.0] * 10
    assert rate.take(10, 0.0) == pytest.approx(0.1)
    assert rate.wait_s(10, 0.05) == pytest.approx(0.05)
    assert rate.take(10, 0.1) == 0
    assert rate.take(900, 5.0) == 0
    assert rate.take(900, 5.0) == pytest.approx(0.8)


def test_a_post_larger_than_a_burst_passes_when_all_is_left() -> None:
    """And takes all of it; a rate below one a second still lets one through."""
    rate = Rate(posts_per_s=0.1, burst=0.1, bytes_per_s=10, burst_bytes=10)
    assert rate.take(10_000, 0.0) == 0
    assert rate.take(1, 0.0) == pytest.approx(10)
    assert rate.take(1, 10.0) == 0


def test_a_clock_that_stands_gives_nothing() -> None:
    """Nor does one that was read a little earlier by somebody else."""
    rate = Rate(1, 1, 1, 1)
    assert rate.take(1, 5.0) == 0
    assert rate.take(1, 4.0) > 0
    assert rate.take(1, 6.0) == 0


def test_a_refusal_is_a_problem_in_the_gateways_form() -> None:
    """With the field, the fix, and when to come again; odd bytes of a header do no harm."""
    one = HookRefusal(429, "rate", "too \udce9 many", "request", "wait", 0.2)
    assert one.reason in REASONS
    assert one.headers()["Retry-After"] == "1"
    assert one.headers()["Content-Type"] == "application/problem+json"
    assert b'"urn:wattline:problem:429"' in one.document()
    assert b'"fix": "wait"' in one.document()
