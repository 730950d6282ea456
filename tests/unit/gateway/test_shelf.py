"""Which published specs a meter may be given."""

from gateway.shelf import Published, Shelf
from meters.catalogue import catalogue
from meters.spec import Spec, digest, spec_document


def published(spec: Spec, *, readable: bool = True) -> Published:
    return Published(spec.name, spec.version, digest(spec), spec_document(spec), spec if readable else None)


def test_only_the_newest_readable_version_is_offered() -> None:
    """An older version stays published for who is pinned to it; one of a newer Wattline matches nothing here."""
    old = catalogue()[0]
    new = old.model_copy(update={"version": old.version + 1})
    newest = old.model_copy(update={"version": old.version + 2})
    shelf = Shelf({one.ref: published(one, readable=one is not newest) for one in (new, newest, old)})
    assert [spec.ref for spec in shelf.candidates()] == [new.ref]
    assert set(shelf.specs) == {old.ref, new.ref, newest.ref}


def test_the_message_carries_what_the_digest_is_of() -> None:
    """A device can check the document that it receives against the hash."""
    spec = catalogue()[0]
    message = published(spec).message()
    assert (message.spec, message.version, message.sha256) == (spec.name, spec.version, digest(spec))
    assert message.document["name"] == spec.name
