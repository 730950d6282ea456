"""Mosquitto's configuration as it is rendered."""

from pathlib import Path

from broker.mosquitto.config import Listener, TlsFiles, first_listener, render_config
from broker.runtime.settings import BrokerAddress

_PLUGIN = Path("/lib/plugin.so")


def _lines(*listeners: Listener, folder: str = "/data") -> list[str]:
    return render_config(listeners, Path(folder), _PLUGIN).splitlines()


def test_it_admits_nobody_without_a_login_and_keeps_what_it_holds() -> None:
    """The lines that carry promises of DESIGN.md are there."""
    lines = _lines(Listener(1883), folder="/data/my broker")
    assert "listener 1883 127.0.0.1" in lines
    assert "allow_anonymous false" in lines
    assert "allow_zero_length_clientid false" in lines
    assert "plugin /lib/plugin.so" in lines
    assert "plugin_opt_config_file /data/my broker/dynamic-security.json" in lines
    assert "persistence true" in lines
    assert "persistence_location /data/my broker/" in lines
    assert not any(line.startswith(("certfile", "cafile", "use_", "acl_file", "password_file")) for line in lines)


def test_everything_that_grows_has_a_bound() -> None:
    """Connections by listener, packets, and what waits for one client, by number and by bytes."""
    lines = _lines(Listener(1883, max_connections=7), Listener(1884))
    start = lines.index("listener 1883 127.0.0.1")
    assert lines[start + 1] == "max_connections 7"
    assert "max_connections 12000" in lines
    assert "max_packet_size 1048576" in lines
    assert "max_queued_messages 1000000" in lines
    assert "max_queued_bytes 536870912" in lines


def test_no_memory_limit() -> None:
    """With the plugin Mosquitto 2.0 miscounts its memory, and a limit would end every connection after some changes."""
    assert not any(line.startswith("memory_limit") for line in _lines(Listener(1883)))


def test_a_devices_listener_with_certificates() -> None:
    """The certificate's name is login and client id; the lines belong to their listener."""
    tls = TlsFiles(Path("/tls/cert"), Path("/tls/key"), Path("/tls/ca"))
    lines = _lines(Listener(1883), Listener(8883, "0.0.0.0", tls, identity=True))
    start = lines.index("listener 8883 0.0.0.0")
    assert lines[start + 1 : start + 9] == [
        "max_connections 12000",
        "certfile /tls/cert",
        "keyfile /tls/key",
        "tls_version tlsv1.2",
        "cafile /tls/ca",
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",
    ]


def test_tls_without_an_authority_asks_for_passwords() -> None:
    """A listener that knows no authority asks for no certificate."""
    lines = _lines(Listener(8884, "0.0.0.0", TlsFiles(Path("/tls/cert"), Path("/tls/key"))))
    assert "certfile /tls/cert" in lines
    assert not any(line.startswith(("require_certificate", "use_", "cafile")) for line in lines)


def test_the_first_listener_is_found_again() -> None:
    """`wattline broker add-user` reaches the broker by what its configuration says, over TLS where that is asked."""
    plain = render_config([Listener(1884), Listener(1883, "0.0.0.0")], Path("/data"), _PLUGIN)
    assert first_listener(plain, Path("/data")) == BrokerAddress(host="127.0.0.1", port=1884)
    server, devices = TlsFiles(Path("/c"), Path("/k")), TlsFiles(Path("/c"), Path("/k"), Path("/a"))
    with_tls = [Listener(1884, "0.0.0.0", server), Listener(8883, "0.0.0.0", devices, identity=True)]
    found = first_listener(render_config(with_tls, Path("/data"), _PLUGIN), Path("/data"))
    assert found == BrokerAddress(host="127.0.0.1", port=1884, tls_ca=Path("/a"))
    assert first_listener("", Path("/data")) is None


def test_a_services_listener_with_certificates() -> None:
    """The name is the login and not the client id, and `wattline broker` finds the way there by its own certificate."""
    services, devices = (TlsFiles(Path("/c"), Path("/k"), Path(of)) for of in ("/services", "/devices"))
    ours = Listener(1884, "127.0.0.1", services, identity=True, any_client_id=True)
    text = render_config([ours, Listener(8883, "0.0.0.0", devices, identity=True)], Path("/data"), _PLUGIN)
    block = text.split("listener 8883")[0].splitlines()
    assert {"cafile /services", "require_certificate true", "use_identity_as_username true"} <= set(block)
    assert "use_username_as_clientid true" not in block
    assert first_listener(text, Path("/data")) == BrokerAddress(
        host="127.0.0.1", port=1884, tls_ca=Path("/devices"), tls_certificate=Path("/data/wattline-admin.pem")
    )
