"""NAME=VALUE on the command line: settings of a source, arguments of a job."""

import click
import pytest

from cli.requests import document_of


def test_settings_are_read_as_what_they_are() -> None:
    given = ("auth=bearer", "max_bytes=65536", "posts_per_second=0.5", 'content_types=["text/*"]', 'client_name="123"')
    assert document_of(given) == {
        "auth": "bearer", "max_bytes": 65536, "posts_per_second": 0.5, "content_types": ["text/*"],
        "client_name": "123",
    }  # fmt: skip
    assert document_of(('client_name="half', "content_types=[1,")) == {"client_name": '"half', "content_types": "[1,"}


def test_what_json_has_not_is_text() -> None:
    """Digits with noughts before them are a name's, and what is no number could not be sent as one."""
    given = ("client_name=007", "burst=NaN", "max_bytes=-Infinity", "bytes_per_second=1e999", f"topics={'[' * 100_000}")
    assert document_of(given) == {
        "client_name": "007", "burst": "NaN", "max_bytes": "-Infinity", "bytes_per_second": "1e999",
        "topics": "[" * 100_000,
    }  # fmt: skip


@pytest.mark.parametrize("given", ["auth", "=x", ""])
def test_what_is_no_setting_is_refused(given: str) -> None:
    with pytest.raises(click.BadParameter, match="names no value; write NAME=VALUE"):
        document_of((given,))
