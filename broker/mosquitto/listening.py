"""Where Mosquitto listens, by the options of `wattline broker config`; what Mosquitto could not start by is refused."""

import ssl
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Final

import click

from broker.mosquitto.config import MAX_SERVICES, Listener, TlsFiles
from broker.runtime.settings import is_loopback

PLAIN_PORT: Final = 1883
TLS_PORT: Final = 8883
SERVICES_PORT: Final = 1884
_FOREIGN: Final = frozenset({2, 7, 18, 19, 20, 21, 30})
"""What OpenSSL says of a chain that ends at nobody who is trusted (X509_V_ERR_..., x509_vfy.h)."""
_EVERYWHERE: Final = ("0.0.0.0", "::", "")


def listeners(
    host: str,
    port: int | None,
    certificate: Path | None,
    key: Path | None,
    authority: Path | None,
    password_port: int | None,
    plaintext: bool,
    services_host: str,
    services_port: int,
    services_authority: Path | None,
) -> list[Listener]:
    """The services' listener first, then those of the devices. Raises click.UsageError that names option and fix."""
    files = (certificate, key, authority)
    if any(files) and not all(files):
        raise click.UsageError("TLS needs --certificate, --key and --authority together")
    if certificate is None or key is None or authority is None:
        _refuse_plain("--host", host, plaintext=plaintext)
        _refuse_plain("--services-host", services_host, plaintext=plaintext)
        for option, given in (("--password-port", password_port), ("--services-authority", services_authority)):
            if given:
                raise click.UsageError(f"{option} needs --certificate, --key and --authority")
        ports = {"--port": Listener(port or PLAIN_PORT, host)}
    else:
        if plaintext:
            reason = "--plaintext listens without TLS, and --certificate with it: give one of both"
            raise click.UsageError(f"{reason}; devices that have passwords come over TLS at --password-port")
        _see_files(certificate, key, authority)
        ports = {"--port": Listener(port or TLS_PORT, host, TlsFiles(certificate, key, authority), identity=True)}
        if password_port:
            ports["--password-port"] = Listener(password_port, host, TlsFiles(certificate, key))
    for_services = Listener(services_port, services_host, max_connections=MAX_SERVICES)
    if certificate and key and authority and services_authority:
        _see_apart(services_authority, authority)
        tls = TlsFiles(certificate, key, services_authority)
        for_services = replace(for_services, tls=tls, identity=True, any_client_id=True)
    elif certificate and key and not is_loopback(services_host):
        # by passwords: a certificate of the devices' authority would there let a device have any client id
        for_services = replace(for_services, tls=TlsFiles(certificate, key))
    ports = {"--services-port": for_services, **ports}
    _refuse_one_port_for_two(ports)
    return list(ports.values())


def whole(option: str, path: Path) -> Path:
    """A path that means the same to Mosquitto, which has another working folder. Raises click.BadParameter."""
    if not path.is_absolute():
        reason = f"{path} is relative, and Mosquitto would look for it elsewhere; give {path.absolute()}"
        raise click.BadParameter(reason, param_hint=option)
    return path


def _refuse_plain(option: str, host: str, *, plaintext: bool) -> None:
    if not (plaintext or is_loopback(host)):
        reason = (
            f"without a certificate everybody on the way to {host} can read passwords and readings: give "
            f"--certificate, --key and --authority, or {option} 127.0.0.1, or --plaintext where that network is trusted"
        )
        raise click.UsageError(reason)


def _refuse_one_port_for_two(ports: dict[str, Listener]) -> None:
    for (option, one), (other_option, other) in combinations(ports.items(), 2):
        meet = one.host == other.host or one.host in _EVERYWHERE or other.host in _EVERYWHERE
        if one.port == other.port and meet:
            reason = f"{option} and {other_option} are both {one.port}: Mosquitto would not start; give each its own"
            raise click.UsageError(reason)


def _see_files(certificate: Path, key: Path, authority: Path) -> None:
    """See that Mosquitto could start by them. Raises click.BadParameter."""
    for option, path in (("--certificate", certificate), ("--key", key), ("--authority", authority)):
        try:
            whole(option, path).read_bytes()
        except OSError as error:
            reason = f"{path} can't be read: {error.strerror}; make it first (`wattline ca server-certificate`)"
            raise click.BadParameter(reason, param_hint=option) from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # an empty passphrase: without one OpenSSL would ask for it at the terminal, as Mosquitto would at its start
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
            reason = f"{key} is not the key of {certificate}; give the one that was made with it"
        else:
            reason = f"{certificate} and {key} can't be used ({error}); give a PEM certificate and its key, in plain"
        raise click.BadParameter(reason, param_hint="--key") from error
    try:
        context.load_verify_locations(authority)
    except ssl.SSLError as error:
        reason = f"{authority} holds no certificate in PEM; give the authority's chain.pem"
        raise click.BadParameter(reason, param_hint="--authority") from error
    if _is_foreign(context, authority):
        reason = (
            f"{authority} has not signed {certificate}: devices that trust it would not come in; give the chain.pem of "
            "the authority that has, or make the certificate by this one (`wattline ca server-certificate`)"
        )
        raise click.BadParameter(reason, param_hint="--authority")


def _see_apart(services: Path, devices: Path) -> None:
    """See that the services' authority has nothing to do with the devices'. Raises click.BadParameter.

    Mosquitto asks nobody for a client id where it knows who comes by a certificate: a device's, taken there, would let
    it push every service out.
    """
    try:
        whole("--services-authority", services).read_bytes()
        of_services, of_devices = _authorities(services), _authorities(devices)
    except OSError as error:
        # an SSLError is one, too
        reason = (
            f"{services} can't be used ({error.strerror}); give the root.pem that `wattline ca init` made for services"
        )
        raise click.BadParameter(reason, param_hint="--services-authority") from error
    if of_services & of_devices:
        reason = (
            f"{services} and {devices} know the same authority: devices would come in as services. Make one for "
            'services alone: `wattline ca init --organisation "Wattline services"` in a folder of its own'
        )
        raise click.BadParameter(reason, param_hint="--services-authority")


def _authorities(path: Path) -> set[object]:
    """The names of the certificates of a file, and of those who signed them. Raises ssl.SSLError, OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(path)
    return {known[of] for known in context.get_ca_certs() for of in ("subject", "issuer")}


def _is_foreign(server: ssl.SSLContext, authority: Path) -> bool:
    """Whether who trusts this authority alone finds nobody whom it trusts behind the server's certificate.

    They shake hands in memory, so that it is judged as a device will judge it.
    """
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    # whoever names the intermediate alone means it
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    trusting.load_verify_locations(authority)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(to_client, to_server)
    serving = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, serving, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            return error.verify_code in _FOREIGN
    return False
