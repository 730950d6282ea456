"""Channels: which URLs are taken, and what is shown of them."""

import base64

import pytest

from broker.errors import ContractError
from store.meter_keys import NotOpenedError, new_master_keys
from store.notices.channels import key_of, opened, parse_address, sealed_for

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


@pytest.mark.parametrize(
    ("url", "kind", "shown"),
    [
        ("https://hooks.example.org/in/s3cret?x=s3cret", "webhook", "https://hooks.example.org/***"),
        ("http://[2001:db8::1]:8080/s3cret", "webhook", "http://[2001:db8::1]/***"),
        ("mailtos://me:s3cret@smtp.example.org?to=you@example.org", "apprise", "mailtos://smtp.example.org/***"),
        ("ntfys://ntfy.sh/s3cret", "apprise", "ntfys://ntfy.sh/***"),
        ("ntfy://s3cret", "apprise", "ntfy://***"),
        ("tgram://12345:s3cret/1234", "apprise", "tgram://***"),
        ("slack://s3cret/B/C", "apprise", "slack://***"),
        ("workflows://example.org/s3cret/b", "apprise", "workflows://example.org/***"),
    ],
)
def test_nothing_of_a_url_is_shown_but_where_it_leads(url: str, kind: str, shown: str) -> None:
    """Nor by the object itself, as in a traceback."""
    address = parse_address(url)
    assert (address.kind, address.shown) == (kind, shown)
    assert "s3cret" not in repr(address)
    assert opened(address.values()) == address


@pytest.mark.parametrize(
    ("url", "secret", "field"),
    [
        ("file:///etc/passwd", None, "url"),
        ("json://127.0.0.1/", None, "url"),
        ("exec://rm", None, "url"),
        ("https:///path", None, "url"),
        ("https://me:pass@example.org/", None, "url"),
        ("https://example.org/#x", None, "url"),
        ("https://example.org:port/", None, "url"),
        ("https://[::1/", None, "url"),
        ("https://example.org/a b", None, "url"),
        ("https://example.org/\r\nX: y", None, "url"),
        ("https://example.org/" + "x" * 3000, None, "url"),
        ("mailto://", None, "url"),
        ("https://example.org/", "hunter2", "secret"),
        ("https://example.org/", "whsec_" + base64.b64encode(b"short").decode(), "secret"),
        ("ntfy://example.org/x", SECRET, "secret"),
    ],
)
def test_other_urls_are_refused_with_the_field_and_without_what_was_said(
    url: str, secret: str | None, field: str
) -> None:
    """Of apprise's many services only those that are meant; secrets as Standard Webhooks has them."""
    with pytest.raises(ContractError) as refused:
        parse_address(url, secret)
    assert refused.value.field == field
    assert "hunter2" not in str(refused.value)
    assert "pass" not in str(refused.value).replace("passwd", "")


WHOLE = (
    "tgram://123456789:AAFabc_def/987", "tgram://123456789:AAFabc_def?to=987", "ntfys://ntfy.example.org/a",
    "ntfy://topic", "ntfy://ntfy.example.org?to=abc", "ntfy://user:secret@10.0.0.1:8080/a",
    "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXr/%23chan", "slack://xoxb-1234-1234-abc124/%23chan",
    "workflows://host.example.org/id/signature", "workflow://host.example.org:443/a/b",
    "mailtos://me:secret@smtp.example.org:587?from=me@example.org&to=ops@example.org",
    "mailto://127.0.0.1:25?from=w@example.org&to=ops@example.org",
)  # fmt: skip
PARTS = (
    "tgram://123", "tgram://123456789:AAFabc_def", "tgram://AAFabc/987", "ntfy://ntfy.example.org", "ntfys://10.0.0.1/",
    "ntfy://ntfy:8080", "ntfy://ntfy.example.org/no.topic", "slack://hooks", "slack://token-a/token-b/token-c",
    "workflows://host/", "workflows://host/a", "mailtos://smtp.example.org?to=a@example.org",
)  # fmt: skip


@pytest.mark.parametrize("url", WHOLE)
def test_a_url_that_is_whole_is_taken(url: str) -> None:
    """As apprise takes it."""
    assert parse_address(url).url == url


@pytest.mark.parametrize("url", PARTS)
def test_a_url_that_lacks_a_part_is_refused_when_it_is_set(url: str) -> None:
    """Not at the first message alone; with the way it is written, and without what was given."""
    with pytest.raises(ContractError) as refused:
        parse_address(url)
    assert refused.value.field == "url"
    assert "://" in str(refused.value.fix)
    assert url.partition("://")[2] not in str(refused.value)


def test_a_secret_is_made_where_none_is_given() -> None:
    """Each time another one."""
    made = {parse_address("https://example.org/").secret for _ in range(3)}
    assert len(made) == 3
    assert all(len(key_of(one)) == 32 for one in made)
    assert parse_address("https://example.org/", SECRET).secret == SECRET


def test_a_channel_is_opened_under_its_own_name_only() -> None:
    """Who can write to the table can't have another channel's messages sent to theirs."""
    master = new_master_keys()
    sealed = master.seal(sealed_for("a"), parse_address("https://example.org/").values())
    assert opened(master.open(sealed_for("a"), master.newest, sealed)).url == "https://example.org/"
    with pytest.raises(NotOpenedError):
        master.open(sealed_for("b"), master.newest, sealed)
