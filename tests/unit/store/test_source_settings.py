"""A source's settings and its sealed secret."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from store.meter_keys import NotOpenedError, new_master_keys
from store.source_settings import SourceSecret, SourceSettings, open_secret, seal_secret

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def test_a_secret_opens_for_its_source_alone() -> None:
    master = new_master_keys()
    sealed = seal_secret(master, "acme", SourceSecret("s3cret"))
    assert b"s3cret" not in sealed
    assert open_secret(master, "acme", master.newest, sealed) == SourceSecret("s3cret")
    with pytest.raises(NotOpenedError):
        open_secret(master, "other", master.newest, sealed)
    with pytest.raises(NotOpenedError):
        master.open("acme", master.newest, sealed)


def test_the_secret_before_is_good_for_a_while_after_a_change() -> None:
    master = new_master_keys()
    changed = SourceSecret("old").changed("new", NOW, timedelta(hours=1))
    opened = open_secret(master, "acme", master.newest, seal_secret(master, "acme", changed))
    assert opened.valid(NOW) == ("new", "old")
    assert opened.valid(NOW + timedelta(hours=1)) == ("new",)
    assert "old" not in repr(opened)


def test_a_change_without_grace_ends_the_secret_before_at_once() -> None:
    assert SourceSecret("old").changed("new", NOW, timedelta()).valid(NOW) == ("new",)


def test_settings_are_refused_by_field() -> None:
    with pytest.raises(ValidationError, match="client_name: is missing"):
        SourceSettings(auth="mtls")
    with pytest.raises(ValidationError):
        SourceSettings.model_validate({"signature_header": "a b"})
    with pytest.raises(ValidationError):
        SourceSettings.model_validate({"colour": "red"})
