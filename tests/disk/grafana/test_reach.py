"""`wattline grafana provision` at an address that is not Grafana's: plain words, nobody's objects, no traceback."""

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from broker.errors import PermanentError
from cli.__main__ import main
from grafana.api import Grafana

DATABASE = {"WATTLINE_GRAFANA_DB__HOST": "db.example", "WATTLINE_GRAFANA_DB__PASSWORD": "hush"}


@contextlib.contextmanager
def answering(answer: bytes, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A port whose every connection gets these bytes once it has sent something, and is closed."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:

        def talk(peer: socket.socket) -> None:
            peer.settimeout(30)
            with contextlib.suppress(OSError), peer if tls is None else tls.wrap_socket(peer, server_side=True) as one:
                if one.recv(65536):
                    one.sendall(answer)
                    # what is closed with bytes unread is reset, which is another story
                    one.shutdown(socket.SHUT_WR)
                    while one.recv(65536):
                        pass

        def serve() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                talk(peer)

        thread = threading.Thread(target=serve, name="not grafana", daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(30)


def http(status: str, body: str, kind: str = "text/html") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return (head + body).encode()


def told(url: str) -> str:
    """What the command says; never a traceback or a library's object."""
    result = CliRunner().invoke(main, ["grafana", "provision", "--url", url, "--token", "glsa_x"], env=DATABASE)
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    for word in ("object at 0x", "Max retries", "ConnectionPool", "Traceback"):
        assert word not in result.output
    return result.output


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (http("200 OK", "<html>A router</html>"), "is not Grafana: it answered HTTP 200, '<html>A router</html>'"),
        (http("404 Not Found", "<html>no page</html>"), "is not Grafana: it answered HTTP 404"),
        (http("200 OK", '{"a": 1}', "application/json"), "is not Grafana: it answered HTTP 200, \"{'a': 1}\""),
        (http("200 OK", "[1]", "application/json"), "with its path where it has one"),
        (http("200 OK", "{oops", "application/json"), "is not Grafana: it answered HTTP 200, 'no JSON'"),
        (http("401 Unauthorized", "login"), "something before Grafana wants a login of its own"),
        (http("502 Bad Gateway", "<h1>Bad</h1>"), "Grafana, or what stands before it, is not well (HTTP 502"),
        (http("302 Found\r\nLocation: /api/frontend/settings", ""), "it redirects for ever"),
        (http("400 Bad Request", "Client sent an HTTP request to an HTTPS server."), "speaks TLS: write https://"),
        (b"SSH-2.0-OpenSSH_9\r\n", "it closed the connection without an answer"),
        (b"", "it closed the connection without an answer"),
    ],
)
def test_an_answer_that_is_not_grafana_s(answer: bytes, says: str) -> None:
    """A page, another's JSON, a proxy's login, no HTTP at all: the message shows what came and names the fix."""
    with answering(answer) as port:
        assert says in told(f"http://127.0.0.1:{port}").replace("\n", " ")


def test_tls_against_plain_and_an_unknown_certificate(tmp_path: Path) -> None:
    """Which of the two speaks TLS, and that a certificate isn't trusted."""
    with answering(http("200 OK", "x")) as port:
        assert "it does not speak TLS: write http://" in told(f"https://127.0.0.1:{port}")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*make, *subject], check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with answering(http("200 OK", "x"), context) as port:
        assert "its certificate is not trusted" in told(f"https://localhost:{port}")


def test_nobody_there_and_nobody_who_answers() -> None:
    """A closed port by the system's words; a silent one by how long it was waited for."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        silent = f"http://127.0.0.1:{server.getsockname()[1]}"
        with Grafana(silent, "glsa_x", timeout_s=0.5) as grafana, pytest.raises(PermanentError, match="gave no answer"):
            grafana.version()
    assert "can't be reached: Connection refused" in told(silent)


@pytest.mark.parametrize(
    "url", ["grafana:3000", "http://", "http://h:99999", "http://h:abc", "http://a..b", "http://u:s3cret@h:x"]
)
def test_what_is_no_address(url: str) -> None:
    """Said before anything is asked; a password in it is not repeated."""
    output = told(url)
    assert "is no address of Grafana" in output or "the token goes to --token" in output
    assert "s3cret" not in output
