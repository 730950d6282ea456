"""Which published specs a meter may be given."""

from broker.contract.messages import Desired, MeterConfig
from gateway.desired.spec_catalogue import Published, SpecCatalogue
from gateway.fleet.audience import parse_audience
from meters.specs.catalogue import catalogue
from meters.specs.spec import Spec, digest, spec_document


def published(spec: Spec, *, readable: bool = True) -> Published:
    return Published(spec.name, spec.version, digest(spec), spec_document(spec), spec if readable else None)


def test_only_the_newest_readable_version_is_offered() -> None:
    """An older version stays published for who is pinned to it; one of a newer Wattline matches nothing here."""
    old = catalogue()[0]
    new = old.model_copy(update={"version": old.version + 1})
    newest = old.model_copy(update={"version": old.version + 2})
    snapshot = SpecCatalogue({one.ref: published(one, readable=one is not newest) for one in (new, newest, old)})
    assert [spec.ref for spec in snapshot.candidates()] == [new.ref]
    assert set(snapshot.specs) == {old.ref, new.ref, newest.ref}


def test_who_may_be_given_which_version() -> None:
    """A canary is for its audience, what is withdrawn for nobody, though it be what a deprecated one's meters had."""
    first = catalogue()[0]
    second, third = (first.model_copy(update={"version": first.version + n}) for n in (1, 2))
    specs = {one.ref: published(one) for one in (first, second, third)}
    audience = parse_audience("site=warsaw")
    snapshot = SpecCatalogue(specs, frozenset({first.ref}), frozenset({third.ref}), {second.ref: audience})
    warsaw = {"device": "d1", "site": "warsaw"}
    assert snapshot.candidates() == snapshot.candidates({"device": "d2"}) == ()
    assert snapshot.candidates(warsaw) == (second,)
    assert snapshot.contenders() == (second,)
    now = Desired(version=1, meters={"A:1": MeterConfig(spec=third.ref), "B:1": MeterConfig(spec=first.ref)})
    assert snapshot.kept(now, {"A:1": first.ref}) == {"A:1": first, "B:1": first}
    withdrawn = SpecCatalogue(specs, frozenset({first.ref}), frozenset({first.ref, third.ref}))
    assert withdrawn.kept(now, {"A:1": first.ref}) == {}


def test_the_message_carries_what_the_digest_is_of() -> None:
    """A device can check the document that it receives against the hash."""
    spec = catalogue()[0]
    message = published(spec).message()
    assert (message.spec, message.version, message.sha256) == (spec.name, spec.version, digest(spec))
    assert message.document["name"] == spec.name
