"""The shipped specs: many products, each with goldens that hold, each chosen for its own telegrams."""

import json
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from meters.decoding.goldens import check, frame_bytes, identity_of
from meters.specs.catalogue import catalogue
from meters.specs.document import read_document
from meters.specs.identify import Identity
from meters.specs.match import best
from meters.specs.spec import Golden, Spec, spec_document, spec_from
from meters.telegram import Wire
from meters.wires.encode.p1 import encode_p1
from meters.wires.readers import make_framer

SPECS = {spec.ref: spec for spec in catalogue()}
OWN = [
    pytest.param(spec, golden, id=f"{spec.ref}: {golden.name}")
    for spec in catalogue()
    for golden in spec.goldens
    if golden.frame.capture is None and golden.error is None
]


def identify(spec: Spec, golden: Golden) -> Identity:
    framer = make_framer(spec.match.protocol, spec.decode.crc)
    data = frame_bytes(golden, None) or b""
    identity = identity_of([*framer.feed(data), *framer.finish()], golden.facts)
    assert identity is not None
    return identity


def test_the_catalogue_holds_products_of_all_protocols() -> None:
    """At least 12 products, several of each protocol, and one generic spec for each."""
    products = Counter(spec.match.protocol for spec in catalogue() if not spec.generic)
    assert products.total() >= 30
    assert all(products[wire] >= 8 for wire in Wire)
    assert sorted(spec.match.protocol for spec in catalogue() if spec.generic) == sorted(Wire)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_goldens_readings_come_out(spec: Spec) -> None:
    """The committed goldens of each shipped spec hold, without the captures folder."""
    assert check(spec) == []


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_spec_has_a_golden_of_its_own_and_sources(spec: Spec) -> None:
    """No spec rests on captures alone, and each golden says where its bytes come from."""
    assert any(golden.frame.capture is None and golden.error is None for golden in spec.goldens)
    assert spec.source
    assert all(golden.source for golden in spec.goldens)


@pytest.mark.parametrize(("spec", "golden"), OWN)
def test_every_spec_is_chosen_for_its_own_telegrams(spec: Spec, golden: Golden) -> None:
    """Among all shipped specs, a product's telegrams lead to that product's spec and to no other."""
    match = best(catalogue(), identify(spec, golden))
    assert match is not None
    assert match.spec.ref == spec.ref


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_spec_survives_its_way_over_the_broker(spec: Spec) -> None:
    """As document and back it is the same spec with the same digest, small enough for one message."""
    back = spec_from(spec_document(spec), origin="broker")
    assert back == spec
    assert back.digest == spec.digest


def test_a_changed_expectation_is_a_difference() -> None:
    """A golden that no longer holds is found and named, with both values."""
    spec = SPECS["dzg-dvs74@2"]
    document = spec_document(spec)
    document["goldens"][0]["values"]["1-0:16.7.0"] = "-0.29912"
    (difference,) = check(spec_from(document, origin="test"))
    assert (difference.place, difference.expected, difference.got) == ("values.1-0:16.7.0", "-0.29912", "0.35624")


@pytest.mark.parametrize(("spec", "golden"), [case for case in OWN if case.values[0].match.protocol is Wire.P1])
def test_committed_p1_goldens_are_what_our_encoder_sends(spec: Spec, golden: Golden) -> None:
    """Their text, given to meters/wires/encode line by line, is the golden byte for byte."""
    data = (frame_bytes(golden, None) or b"").strip()
    header, _, *lines = data.decode("latin-1").split("\r\n")
    sent = [encode_p1(header, lines[:-1], crc=crc).strip() for crc in (not data.endswith(b"!"), *spec.decode.crc)]
    assert data in sent


@pytest.mark.parametrize("folder", ["specs/products", "mappings/devices"])
def test_what_is_read_fast_is_what_others_files_are_held_to(folder: str) -> None:
    """Each shipped file keeps the bounds of specs and mappings that others write, and reads as theirs would."""
    shipped = [entry for entry in (files("meters") / folder).iterdir() if entry.name.endswith(".yaml")]
    assert len(shipped) > 10
    for entry in shipped:
        text = entry.read_text("utf-8")
        fast = read_document(text, origin=entry.name, shipped=True)
        assert json.dumps(fast) == json.dumps(read_document(text, origin=entry.name))


def test_shipped_names_are_unique() -> None:
    """One file a product: no reference twice, names in lower case."""
    assert len(SPECS) == len(catalogue())
    assert all(spec.name == spec.name.lower() for spec in catalogue())


def test_a_shipped_spec_never_changes() -> None:
    """Platforms hold it by its digest and refuse another under the same version: a change is a new version.

    A new one is entered in tests/data/shipped-specs.json with its `digest` when it ships.
    """
    shipped = json.loads((Path(__file__).parents[3] / "data" / "shipped-specs.json").read_text())
    assert {spec.ref: spec.digest for spec in catalogue()}.items() <= shipped.items()
