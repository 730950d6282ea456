"""Who is let in at once, who waits, and who is not let in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.enrolment.rules import (
    ADDRESS_WAITS,
    DEVICE_WAITS,
    Claim,
    KnownDevice,
    Succession,
    Why,
    fault_of_claim,
    fault_of_renewal,
    fault_of_waiting,
    next_identity,
    why_wait,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
ALIVE = timedelta(seconds=300)
CLAIM = Claim("warsaw-1", "warsaw", 2, 0, NOW + timedelta(days=1), "at_once", None, 0)
STRANGER = KnownDevice(False, None, None, False, None, None, 0)
ENROLLED = KnownDevice(True, None, "pi-1", True, "hw-1", "warsaw", 1)


def why(known: KnownDevice, hardware: str = "hw-1", claim: Claim = CLAIM) -> Why | None:
    return why_wait(claim, known, hardware, NOW, ALIVE)


def test_a_new_device_enters_at_once_by_such_a_claim() -> None:
    """And waits for a person where the claim says so."""
    assert why(STRANGER) is None
    assert why(STRANGER, claim=replace(CLAIM, approval="by_person")) is Why.CLAIM


def test_a_machine_flashed_anew_enters_once_its_old_life_is_silent() -> None:
    """While a device of its id is connected, whoever asks is somebody else, or too early; that passes by itself."""
    assert why(ENROLLED) is None
    connected = replace(ENROLLED, seen_at=NOW - timedelta(seconds=10))
    assert why(connected) is Why.ALIVE
    assert Why.ALIVE.passes
    assert why(replace(ENROLLED, seen_at=NOW - timedelta(hours=1))) is None


@pytest.mark.parametrize(
    ("known", "hardware", "expected"),
    [
        (ENROLLED, "hw-2", Why.OTHER_HARDWARE),
        (replace(ENROLLED, seen_at=NOW), "hw-2", Why.OTHER_HARDWARE),
        (replace(ENROLLED, live=False), "hw-1", Why.REVOKED),
        (replace(ENROLLED, live=False), "hw-2", Why.REVOKED),
        (replace(ENROLLED, site="gdynia"), "hw-1", Why.OTHER_SITE),
        (replace(ENROLLED, disputed=True), "hw-1", Why.DISPUTED),
        (replace(ENROLLED, hardware=None, site=None), "hw-1", Why.WITHOUT_CERTIFICATE),
        (replace(STRANGER, registered=True), "hw-1", Why.WITHOUT_CERTIFICATE),
    ],
)
def test_what_looks_like_another_device_waits_for_a_person(known: KnownDevice, hardware: str, expected: Why) -> None:
    """A clone, a device that was revoked, one of another site, one that is known by a password."""
    assert why(known, hardware) is expected
    assert not expected.passes


def test_a_claim_ends_by_uses_time_and_revocation() -> None:
    """Each is said in words."""
    assert fault_of_claim(CLAIM, NOW) == ""
    assert "used up" in fault_of_claim(replace(CLAIM, used=2), NOW)
    assert "ended at 2027-01-01" in fault_of_claim(replace(CLAIM, until=NOW), NOW)
    assert "revoked" in fault_of_claim(replace(CLAIM, revoked_at=NOW), NOW)


def test_nobody_fills_the_list_of_who_waits() -> None:
    """By a claim as many as it could let in, of one device and from one address a bounded number; each is said."""
    assert fault_of_waiting(replace(CLAIM, waiting=1), 0, 0) == ""
    assert "as many as it is for" in fault_of_waiting(replace(CLAIM, waiting=2), 0, 0)
    assert fault_of_waiting(None, DEVICE_WAITS - 1, ADDRESS_WAITS - 1) == ""
    assert "of this device" in fault_of_waiting(None, DEVICE_WAITS, DEVICE_WAITS)
    assert "from this address" in fault_of_waiting(CLAIM, 0, ADDRESS_WAITS)


def test_a_key_is_followed_by_one_other_key() -> None:
    """The same next one again is somebody whose answer got lost; another, or one that is followed itself, a copy's."""
    assert not Succession(b"1", b"2", None, None).forked
    assert not Succession(b"1", b"2", b"2", None).forked
    assert Succession(b"1", b"3", b"2", None).forked
    assert Succession(b"1", b"1", b"2", b"2").forked
    assert Succession(b"1", b"2", b"2", b"3").forked, "who holds both, and whose owner went on"
    assert Succession(b"2", b"1", None, b"2").forked, "nor back to the one before"
    assert Why.SUCCEEDED.severity == "warning"


def test_no_login_is_given_twice() -> None:
    """The device's id first, then numbers that only rise."""
    assert [next_identity("pi-1", number) for number in (0, 1, 2, 9)] == ["pi-1", "pi-1~2", "pi-1~3", "pi-1~10"]


def test_a_certificate_renews_itself_for_its_login_machine_and_grace() -> None:
    """Also after its end; never for a login that was revoked, nor on another machine."""

    def fault(ended_at: datetime = NOW, live: bool = True, hardware: str | None = "hw-1") -> str:
        return fault_of_renewal(
            ended_at=ended_at, now=NOW, grace=timedelta(days=365), live=live, hardware=hardware, asked_hardware="hw-1"
        )

    assert fault() == ""
    assert fault(NOW - timedelta(days=364)) == ""
    assert "too long ago" in fault(NOW - timedelta(days=365))
    assert "revoked" in fault(live=False)
    assert "another machine" in fault(hardware="hw-2")
    assert fault(hardware=None) == ""
