"""A client's TLS: whom it believes, and what it does while its own clock is behind."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.errors import PermanentError
from broker.runtime.settings import BrokerAddress
from broker.runtime.trust import NO_CHECK_TIME, ClockDoubt, client_context
from gateway.enrolment.authority import Authority, Life, Usage, make_intermediate, make_key, make_root
from gateway.enrolment.ca_folder import KEY_MODE, key_pem, pem, write_pem

NOW = datetime.now(UTC)


def authority(folder: Path, made_at: datetime) -> Authority:
    root = make_root("Test", made_at)
    write_pem(folder / "root.pem", [pem(root.certificate)], KEY_MODE)
    return make_intermediate(root, "Test", made_at)


def server(folder: Path, by: Authority, begins_at: datetime, ends_at: datetime) -> ssl.SSLContext:
    key = make_key()
    made = by.sign("localhost", key.public_key(), Usage.SERVER, Life(begins_at, ends_at), ["localhost"])
    write_pem(folder / "server.pem", [key_pem(key), pem(made), pem(by.certificate)], KEY_MODE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


def shake(client: ssl.SSLContext, serving: ssl.SSLContext) -> None:
    """A whole handshake in memory. Raises ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        serving.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(6):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue


def test_a_clock_behind_what_an_authority_proves_judges_no_times(tmp_path: Path) -> None:
    """An authority that is younger than now: the clock is wrong, and the server is believed all the same."""
    late = NOW + timedelta(days=400)
    serving = server(tmp_path, authority(tmp_path, late), late, late + timedelta(days=90))
    context = client_context(tmp_path / "root.pem", doubt=ClockDoubt())
    assert context.verify_flags & NO_CHECK_TIME
    shake(context, serving)
    with pytest.raises(ssl.SSLCertVerificationError, match="not yet valid"):
        shake(ssl.create_default_context(cafile=str(tmp_path / "root.pem")), serving)


def test_a_server_from_the_future_is_believed_at_the_next_attempt(tmp_path: Path) -> None:
    """The authority is older, its server's certificate is not: the first handshake proves the clock wrong."""
    late, doubt = NOW + timedelta(days=30), ClockDoubt()
    serving = server(tmp_path, authority(tmp_path, NOW), late, late + timedelta(days=90))
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        shake(client_context(tmp_path / "root.pem", doubt=doubt), serving)
    assert doubt.heed(caught.value)
    shake(client_context(tmp_path / "root.pem", doubt=doubt), serving)


def test_what_has_ended_or_is_a_stranger_is_not_believed(tmp_path: Path) -> None:
    """With a good clock times count; and who signs is judged whatever the clock says."""
    ours, doubt = authority(tmp_path, NOW - timedelta(days=100)), ClockDoubt()
    ended = server(tmp_path, ours, NOW - timedelta(days=50), NOW - timedelta(days=1))
    with pytest.raises(ssl.SSLCertVerificationError, match="expired") as caught:
        shake(client_context(tmp_path / "root.pem", doubt=doubt), ended)
    assert not doubt.heed(caught.value)
    assert not doubt.holds()
    doubt.prove(NOW.timestamp() + 1e6)
    root = make_root("Stranger", NOW)
    stranger = server(tmp_path, make_intermediate(root, "Stranger", NOW), NOW, NOW + timedelta(days=1))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(client_context(tmp_path / "root.pem", doubt=doubt), stranger)


def test_wrong_files_are_named(tmp_path: Path) -> None:
    """The setting and the fix, for a CA and for a certificate of one's own; none of them without the other."""
    authority(tmp_path, NOW)
    nothing = tmp_path / "nothing"
    nothing.write_text("no PEM")
    for address, said in (
        (BrokerAddress(tls_ca=nothing), "tls_ca: .* holds no CA certificate"),
        (BrokerAddress(tls_ca=tmp_path / "gone"), "tls_ca: .*No such file"),
        (BrokerAddress(tls_ca=tmp_path / "root.pem", tls_certificate=nothing), "tls_certificate: .*no certificate"),
        (BrokerAddress(tls_ca=tmp_path / "root.pem", tls_certificate=tmp_path / "gone"), "tls_certificate: .*No such"),
        (BrokerAddress(tls_certificate=nothing), "tls_ca: our own certificate"),
    ):
        with pytest.raises(PermanentError, match=said):
            address.tls()
    assert BrokerAddress().tls() is None
