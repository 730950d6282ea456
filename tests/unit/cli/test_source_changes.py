"""Settings of a source on the command line."""

import click
import pytest

from cli.sources.command import _changes


def test_settings_are_read_as_what_they_are() -> None:
    given = ("auth=bearer", "max_bytes=65536", "posts_per_second=0.5", 'content_types=["text/*"]', 'client_name="123"')
    assert _changes(given) == {
        "auth": "bearer", "max_bytes": 65536, "posts_per_second": 0.5, "content_types": ["text/*"],
        "client_name": "123",
    }  # fmt: skip
    assert _changes(('client_name="half', "content_types=[1,")) == {"client_name": '"half', "content_types": "[1,"}


@pytest.mark.parametrize("given", ["auth", "=x", ""])
def test_what_is_no_setting_is_refused(given: str) -> None:
    with pytest.raises(click.BadParameter, match="is no setting"):
        _changes((given,))
