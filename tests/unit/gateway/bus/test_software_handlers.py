"""What the broker holds of software against the store's: the same, of before, or somebody else's."""

from datetime import UTC, datetime

from broker.contract.software import SoftwareDesired
from gateway.bus.software_handlers import holds, is_overtaken, parsed
from gateway.bus.store import SoftwareMark

AT = datetime(2026, 11, 29, tzinfo=UTC)
NOW = SoftwareDesired(version=3, release="0.3.0", source="https://releases.test", author="eva", at=AT)
WANTED = SoftwareMark("d1", NOW, announced=True)
NOTHING = SoftwareMark("d1", None, announced=True)


def test_what_the_broker_holds_is_ours_or_not() -> None:
    """By content, however it is written; where nothing is desired there is to be no message."""
    assert holds(WANTED, NOW.payload())
    assert holds(WANTED, NOW.model_dump_json(indent=2).encode())
    for payload in (b"", b"x", b"{}", NOW.model_copy(update={"source": "https://elsewhere.test"}).payload()):
        assert not holds(WANTED, payload)
    for known in (NOTHING, None):
        assert holds(known, b"")
        assert not holds(known, NOW.payload())


def test_an_echo_is_of_an_earlier_version() -> None:
    """The same version with another content is nobody's echo."""
    assert is_overtaken(WANTED, NOW.model_copy(update={"version": 2}))
    assert not is_overtaken(WANTED, NOW.model_copy(update={"source": "https://elsewhere.test"}))
    assert not is_overtaken(WANTED, NOW.model_copy(update={"version": 4}))
    assert is_overtaken(NOTHING, NOW)
    assert not is_overtaken(None, NOW)


def test_bytes_that_are_no_message_of_ours_are_none() -> None:
    """They are put right, and not quarantined: nobody but the platform writes there."""
    assert parsed(NOW.payload()) == NOW
    for payload in (b"", b"\xff", b"[]", b'{"version": 0}', b"9" * 5000, b"[" * 100_000):
        assert parsed(payload) is None
