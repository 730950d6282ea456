"""A CA that a device is told: it counts for that one address, and for nothing else."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from broker.contract.address import known_authority_or_none
from broker.runtime.settings import BrokerAddress
from broker.runtime.trust import DOUBT, NO_CHECK_TIME
from device.moving.target import Target, address_of
from gateway.enrolment.authority import make_root
from gateway.enrolment.ca_folder import pem

OWN = BrokerAddress(host="home.example", port=8883)


def target(begins_at: datetime) -> Target:
    authority = known_authority_or_none(pem(make_root("Told", begins_at).certificate).decode())
    return Target(address="told.example:8883", authority=authority)


def test_one_that_is_younger_than_now_moves_nobody_else_to_doubt_the_clock(tmp_path: Path) -> None:
    """At that address times are not judged, as an authority proves the clock wrong; elsewhere they are as before."""
    (tmp_path / "home.pem").write_bytes(pem(make_root("Home", datetime.now(UTC)).certificate))
    home = OWN.model_copy(update={"tls_ca": tmp_path / "home.pem"})
    told = address_of(target(datetime.now(UTC) + timedelta(days=400)), home, tmp_path)
    [node] = told.nodes()
    context, at_home = node.tls(), home.tls()
    assert context is not None
    assert at_home is not None
    assert context.verify_flags & NO_CHECK_TIME
    assert not at_home.verify_flags & NO_CHECK_TIME
    assert not DOUBT.holds()
    assert node.doubt is told.doubt
