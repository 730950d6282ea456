"""Matching: all conditions must hold, the narrowest spec wins, the generic one is the last resort."""

import re
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.patterns import wildcard
from meters.specs.catalogue import catalogue
from meters.specs.identify import Identity
from meters.specs.match import best, rank
from meters.specs.spec import Spec, load_spec
from meters.telegram import Wire


def spec(name: str, match: str, *, version: int = 1, generic: bool = False) -> Spec:
    flag = "true" if generic else "false"
    text = (
        f"{{name: {name}, version: {version}, generic: {flag}, product: {{name: x}}, source: [test], standard: true, "
    )
    # JSON would be read for a text that begins with a brace: a newline first keeps it YAML.
    return load_spec(f"---\n{text}match: {match}}}", origin=name)


def identity(*addresses: str, **facts: str) -> Identity:
    return Identity("", Wire.SML, facts.get("manufacturer", ""), facts=facts, addresses=addresses)


@settings(deadline=None)
@given(st.text("ab*?", max_size=8), st.text("ab", max_size=10))
def test_wildcards_mean_what_they_say(pattern: str, text: str) -> None:
    """`*` is any run and `?` any one character, for every pattern."""
    if pattern.count("*") > 8:
        return
    expected = re.fullmatch("".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern), text) is not None
    assert wildcard(pattern, text) is expected


def test_no_pattern_blows_up() -> None:
    """The worst pattern that a spec may hold against the longest fact takes no time to speak of."""
    started = time.perf_counter()
    assert not wildcard("a*" * 8 + "b", "a" * 4096)
    assert time.perf_counter() - started < 20


def test_all_conditions_must_hold() -> None:
    """A spec with one condition that fails is no match, whatever else fits."""
    specs = [spec("one", "{protocol: sml, manufacturer: ACM, all: ['1-0:1.8.0', '1-0:2.8.0']}")]
    assert best(specs, identity("1-0:1.8.0", manufacturer="ACM")) is None
    assert best(specs, identity("1-0:1.8.0", "1-0:2.8.0", manufacturer="ACM")) is not None
    assert best(specs, identity("1-0:1.8.0", "1-0:2.8.0", manufacturer="XYZ")) is None


def test_a_fact_not_known_yet_is_no_match() -> None:
    """Facts accumulate: until a meter has said its firmware, no spec that asks for it is chosen."""
    specs = [spec("one", "{protocol: sml, firmware: '*'}")]
    assert best(specs, identity(manufacturer="ACM")) is None
    assert best(specs, identity(firmware="1.2")) is not None


def test_the_narrowest_spec_wins() -> None:
    """A longer pattern, more conditions and more addresses each beat less."""
    wide = spec("wide", "{protocol: sml, product: 'E3*'}")
    narrow = spec("narrow", "{protocol: sml, product: 'E350*'}")
    narrowest = spec("narrowest", "{protocol: sml, product: 'E350*', firmware: '2.*'}")
    known = identity(product="E350-X", firmware="2.1")
    assert [match.spec.name for match in rank([wide, narrow, narrowest], known)] == ["narrowest", "narrow", "wide"]


def test_preferred_facts_add_but_do_not_exclude() -> None:
    """`prefer` decides between specs that fit, and a meter without those facts still fits."""
    plain = spec("plain", "{protocol: sml, manufacturer: ACM}")
    liking = spec("liking", "{protocol: sml, manufacturer: ACM, prefer: {any: ['1-0:16.7.0']}}")
    assert best([plain, liking], identity("1-0:16.7.0", manufacturer="ACM")).spec.name == "liking"  # type: ignore[union-attr]
    assert len(rank([plain, liking], identity(manufacturer="ACM"))) == 2


def test_the_generic_spec_is_the_last_resort() -> None:
    """However little a product's spec asks for, it comes before the generic one."""
    generic = spec("generic-sml", "{protocol: sml, bonus: 100}", generic=True)
    product = spec("product", "{protocol: sml}")
    assert [match.spec.name for match in rank([generic, product], identity())] == ["product", "generic-sml"]
    assert best([generic], identity()).spec.generic  # type: ignore[union-attr]


def test_the_newer_version_of_a_spec_wins() -> None:
    """Two versions fit alike; the newer one is for meters that are not pinned."""
    specs = [spec("one", "{protocol: sml}", version=version) for version in (2, 10, 1)]
    assert [match.spec.version for match in rank(specs, identity())] == [10, 2, 1]


def test_a_newer_version_supersedes_a_narrower_old_one() -> None:
    """Whoever widens a match in a new version gets the new version, also where the old one scores more."""
    old = spec("one", "{protocol: sml, manufacturer: ACM, product: 'E350*'}")
    new = spec("one", "{protocol: sml, manufacturer: ACM}", version=2)
    other = spec("other", "{protocol: sml}")
    known = identity(manufacturer="ACM", product="E350")
    assert [match.spec.ref for match in rank([old, other, new], known)] == ["one@2", "one@1", "other@1"]


def test_a_spec_of_another_protocol_never_fits() -> None:
    """Protocol decides before anything else."""
    assert best([spec("one", "{protocol: p1}")], identity()) is None


def test_the_score_is_explained() -> None:
    """Each reason names a condition and its points, and together they are the score."""
    match = best([spec("one", "{protocol: sml, manufacturer: ACM, none: ['1-0:9.9.9']}")], identity(manufacturer="ACM"))
    assert match is not None
    assert match.score == sum(int(reason.rsplit(": ", 1)[1]) for reason in match.reasons)
    assert any("manufacturer ACM" in reason for reason in match.reasons)


def test_an_unknown_meter_of_each_protocol_gets_that_protocols_generic_spec() -> None:
    """Whatever speaks a protocol that Wattline reads is decoded, and named as generic."""
    for wire in Wire:
        match = best(catalogue(), Identity("", wire))
        assert match is not None
        assert match.spec.ref == f"generic-{wire}@1"
