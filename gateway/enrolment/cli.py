"""`wattline ca`: make the embedded certificate authority, and certificates of servers and services by hand."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization

from broker.errors import ContractError, PermanentError
from broker.runtime.options import passphrase_in
from gateway.enrolment.authority import (
    COMMON_NAME_MAX,
    Authority,
    Life,
    Usage,
    check_organisation,
    common_name,
    make_key,
)
from gateway.enrolment.ca_folder import (
    CHAIN,
    KEY_MODE,
    ORGANISATION,
    PUBLIC_MODE,
    ROOT,
    ROOT_KEY,
    key_pem,
    load,
    make_folder,
    open_or_make,
    pem,
    renew_intermediate,
    write_pem,
)
from gateway.enrolment.host_names import HERE, own_names

SERVICE_DAYS = 90
F = TypeVar("F", bound=Callable[..., Any])
DAYS = 397
"""What a server's certificate holds by default: more than that browsers don't take."""
HOST_HELP = (
    "A host's name or address as its clients have it, repeatable; by default this machine's own; localhost always."
)
LOGIN_HELP = "The service's login at the broker: ingestor, gateway, engineer, monitor or another."
folder_option = click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), required=True, help="The authority's folder."
)
passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the passphrase that its keys are sealed by.",
)


@click.group()
def ca() -> None:
    """Make the certificate authority, and certificates of servers and services."""


@ca.command("init")
@folder_option
@passphrase_option
@click.option(
    "--organisation", default=ORGANISATION, show_default=True, help="The name that stands in its certificates."
)
def init(folder: Path, passphrase_file: Path | None, organisation: str) -> None:
    """Make a certificate authority, its root and its intermediate, in FOLDER; one that is there stays."""
    try:
        check_organisation(organisation)
    except ContractError as error:
        raise click.BadParameter(str(error), param_hint="--organisation") from error
    with_made = _tried(lambda: open_or_make(folder, passphrase_in(passphrase_file), organisation))
    authority, made = with_made
    click.echo(f"{'made' if made else 'there already'}: {folder}")
    _describe(authority)
    if made:
        click.echo(f"devices trust {folder / ROOT}; a broker judges them by {folder / CHAIN}")
        click.echo(f"back the folder up; {folder / ROOT_KEY} is not needed day by day and may be kept elsewhere")


@ca.command("show")
@folder_option
@passphrase_option
def show(folder: Path, passphrase_file: Path | None) -> None:
    """Show the authority's certificates: names, ends, fingerprints."""
    _describe(_tried(lambda: load(folder, passphrase_in(passphrase_file))))


@ca.command("renew")
@folder_option
@passphrase_option
@click.option(
    "--root-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The root's private key, where it is kept elsewhere than in FOLDER.",
)
def renew(folder: Path, passphrase_file: Path | None, root_key: Path | None) -> None:
    """Make another intermediate in FOLDER, years before the present one ends.

    The root stays, and so does all that was signed before. Several gateways get copies of the folder.
    """
    authority = _tried(lambda: renew_intermediate(folder, passphrase_in(passphrase_file), root_key))
    _describe(authority)
    click.echo("restart the gateways: they sign by it from then on. Devices notice nothing, they trust the root alone")


def _made(usage: Usage) -> Callable[[F], F]:
    """The options that certificates of both usages take."""

    def decorate(command: F) -> F:
        server = usage is Usage.SERVER
        files = (
            "NAME.pem (with those above it) and NAME.key are"
            if server
            else "NAME.pem (with those above it, and key) is"
        )
        to = click.option("--to", type=click.Path(file_okay=False, path_type=Path), default=Path(), show_default=True,
                          help=f"Where {files} written.")  # fmt: skip
        days = click.option("--days", type=click.IntRange(1, 3660), default=DAYS if server else SERVICE_DAYS,
                            show_default=True, help="How long it holds.")  # fmt: skip
        what = HOST_HELP if server else LOGIN_HELP
        name = click.option("--name", "names", required=not server, multiple=server, help=what)
        return folder_option(passphrase_option(name(days(to(command)))))

    return decorate


@ca.command("server-certificate")
@_made(Usage.SERVER)
@click.option("--as", "called", help="What the files are called; by default the first name.")
def server_certificate(
    folder: Path, passphrase_file: Path | None, names: tuple[str, ...], days: int, to: Path, called: str | None
) -> None:
    """Make a certificate and key for a server, such as the broker; the gateway makes its own by itself."""
    # also by itself: whoever tries it on its own machine calls it so
    names = tuple(dict.fromkeys((*(names or own_names()), *HERE)))
    _write(folder, passphrase_file, called or names[0], Usage.SERVER, names, days, to)


@ca.command("service-certificate")
@_made(Usage.CLIENT)
@click.option(
    "--if-due", is_flag=True, help="Only where there is none of this authority's with a third of its days left."
)
def service_certificate(
    folder: Path, passphrase_file: Path | None, names: str, days: int, to: Path, if_due: bool
) -> None:
    """Make a certificate with its key by which a service logs in at the broker.

    The authority is one for services alone. With --if-due nothing is said where nothing was to be done.
    """
    if not if_due or is_due(to / f"{names}.pem", _tried(lambda: load(folder, passphrase_in(passphrase_file))), days):
        _write(folder, passphrase_file, names, Usage.CLIENT, (), days, to)


def is_due(path: Path, authority: Authority, days: int) -> bool:
    """Whether a service's certificate is to be made: it is not there, not this authority's, or nears its end."""
    try:
        data = path.read_bytes()
        certificate = x509.load_pem_x509_certificate(data)
        key = serialization.load_pem_private_key(data, None)
        certificate.verify_directly_issued_by(authority.certificate)
    except (OSError, ValueError, TypeError, InvalidSignature):
        return True
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    return key.public_key() != certificate.public_key() or left < timedelta(days=days) / 3


def _write(
    folder: Path, passphrase_file: Path | None, name: str, usage: Usage, hosts: tuple[str, ...], days: int, to: Path
) -> None:
    if "/" in name or "\0" in name or not 1 <= len(name) <= COMMON_NAME_MAX or name.startswith("."):
        hint = "--name, --as" if usage is Usage.SERVER else "--name"
        fix = f"write 1 to {COMMON_NAME_MAX} characters without / that don't begin with a dot"
        fix += "; --as names a server with a longer name" if usage is Usage.SERVER else ""
        raise click.BadParameter(f"{name[:80]!r} can't name a certificate and its files: {fix}", param_hint=hint)
    authority = _tried(lambda: load(folder, passphrase_in(passphrase_file)))
    key = make_key()
    life = Life.of(datetime.now(UTC), timedelta(days=days))
    try:
        certificate = authority.sign(name, key.public_key(), usage, life, hosts)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--name") from error
    try:
        make_folder(to)
        chain = list(map(pem, (certificate, authority.certificate)))
        if usage is Usage.CLIENT:
            # one file, so that whoever reads it while it is renewed has both of one or of the other
            write_pem(to / f"{name}.pem", [*chain, key_pem(key)], KEY_MODE)
        else:
            write_pem(to / f"{name}.key", [key_pem(key)], KEY_MODE)
            write_pem(to / f"{name}.pem", chain, PUBLIC_MODE)
    except OSError as error:
        raise click.BadParameter(f"can't write {error.filename}: {error.strerror}", param_hint="--to") from error
    told = f" and {to / name}.key for {', '.join(hosts)}" if hosts else ""
    click.echo(f"{to / name}.pem{told}, until {certificate.not_valid_after_utc:%Y-%m-%d}")


def _describe(authority: Authority) -> None:
    for one in authority.chain:
        click.echo(f"{common_name(one.subject)}: until {one.not_valid_after_utc:%Y-%m-%d}, SHA-256 {_fingerprint(one)}")


def _fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex(":")


T = TypeVar("T")


def _tried(work: Callable[[], T]) -> T:
    try:
        return work()
    except PermanentError as error:
        raise click.ClickException(str(error)) from error
