"""Which types' answers hold in each connection of a process."""

from store.servers import built_in_arrays


def row(oid: int, kind: bytes, elemtype: int = 0) -> dict[str, object]:
    """A type as asyncpg asks for it, as far as it matters."""
    return {"oid": oid, "kind": kind, "elemtype": elemtype}


def test_arrays_of_postgresql_s_own_types_are_known_from_then_on() -> None:
    """With their element, which comes first; their numbers are the same in each database and version."""
    element, array = row(20, b"b"), row(1016, b"b", 20)
    assert built_in_arrays([array, element]) == {1016: (element, array)}


def test_what_a_database_or_a_version_may_have_otherwise_is_asked_again() -> None:
    """A type that somebody made, with any number; an array of one; a range; a row of a catalogue; a domain."""
    made, of_made = row(16_500, b"e"), row(16_501, b"b", 16_500)
    built, of_built = row(10_029, b"c"), row(10_028, b"b", 10_029)
    ranged, domain = row(3904, b"r"), row(12_000, b"d")
    assert built_in_arrays([made, of_made, built, of_built, ranged, domain, row(20, b"b")]) == {}
