"""`wattline broker`: write Mosquitto's configuration and let users in."""

import contextlib
import json
import os
import secrets
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import yaml

from broker.contract.identity import BRIDGE, GATEWAY, INGESTOR, MONITOR, OUTLET, ROLES
from broker.contract.topics import DEFAULT_ROOT, Topics
from broker.errors import ContractError, PermanentError, WattlineError
from broker.mosquitto.config import ADMIN_CERTIFICATE, CONFIG_FILE, first_listener, render_config
from broker.mosquitto.files import (
    DEFAULT_OWNER,
    PLUGIN,
    Owner,
    find_owner,
    find_plugin,
    prepare_folder,
    read_file,
    replace_file,
)
from broker.mosquitto.installation import SECRET_BYTES, Installation, login_of
from broker.mosquitto.listening import PLAIN_PORT, SERVICES_PORT, TLS_PORT, listeners, whole
from broker.mosquitto.rights import ADMIN
from broker.runtime.settings import BrokerAddress


def _owner(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Owner | None:
    try:
        return find_owner(value)
    except PermanentError as error:
        raise click.BadParameter(str(error)) from error


_owner_option = click.option(
    "--owner",
    callback=_owner,
    help=f"Account that Mosquitto runs as and the files are given to; by default {DEFAULT_OWNER}, "
    "where root runs this and the account exists.",
)
_address_option = click.option(
    "--address",
    metavar="HOST:PORT",
    help="Where the broker is told of it, if it runs; by default where services connect.",
)
_written_folder = click.option(
    "--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True,
    help="The folder that `wattline broker config` wrote.",
)  # fmt: skip
_port = click.IntRange(1, 65535)
_path = click.Path(path_type=Path)


@click.group()
def broker() -> None:
    """Write Mosquitto's config, and let users in; print the contract of its topics."""


@broker.command("asyncapi")
@click.option("--root", default=DEFAULT_ROOT, show_default=True, help="The topics' root.")
@click.option("--json", "as_json", is_flag=True, help="JSON in place of YAML.")
def asyncapi(root: str, as_json: bool) -> None:
    """Print the MQTT contract as an AsyncAPI 3.0 document: topics, QoS, and the messages' JSON schemas."""
    from broker.contract.asyncapi import document  # noqa: PLC0415 - other commands would start half a second later

    try:
        found = document(root)
    except ContractError as error:
        raise click.BadParameter(str(error), param_hint="--root") from error
    click.echo(
        json.dumps(found, indent=2) if as_json else yaml.safe_dump(found, sort_keys=False, width=120), nl=as_json
    )


@broker.command("config")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for Mosquitto's configuration, logins and data.")  # fmt: skip  # noqa: E501
@click.option("--host", default="0.0.0.0", show_default=True, help="Address at which devices and people connect.")
@click.option(
    "--port", type=_port, help=f"Port for devices; by default {TLS_PORT} with a certificate, else {PLAIN_PORT}."
)
@click.option("--certificate", type=_path, help="The broker's TLS certificate (PEM), with --key and --authority: devices then log in by certificates.")  # fmt: skip  # noqa: E501
@click.option("--key", type=_path, help="Its private key (PEM, without a passphrase).")
@click.option(
    "--authority", type=_path, help="Certificates (PEM) of the authority that signs those of devices: its chain.pem."
)
@click.option(
    "--password-port", type=_port, help="Another port with TLS, for people and for devices that have passwords."
)
@click.option("--plaintext", is_flag=True, help="Listen without TLS beyond this machine: passwords can be read on the way.")  # fmt: skip  # noqa: E501
@click.option("--services-host", default="127.0.0.1", show_default=True, help="Address at which services connect (ingestor, gateway).")  # fmt: skip  # noqa: E501
@click.option("--services-port", type=_port, default=SERVICES_PORT, show_default=True, help="Port for services.")
@click.option("--services-authority", type=_path, help="Certificate (PEM) of an authority for services alone, its root.pem: they then log in by certificates of it, else by passwords.")  # fmt: skip  # noqa: E501
@click.option("--plugin", type=_path, help=f"Where Mosquitto's {PLUGIN} is; by default beside this machine's Mosquitto.")  # fmt: skip  # noqa: E501
@click.option(
    "--root",
    default=DEFAULT_ROOT,
    show_default=True,
    help="What every topic begins with; the same for the whole platform.",
)
@_address_option
@_owner_option
def write_config(
    folder: Path,
    plugin: Path | None,
    root: str,
    address: str | None,
    owner: Owner | None,
    **listening: str | int | bool | Path | None,
) -> None:
    """Write mosquitto.conf and bring the rights up to date; who was let in stays.

    Users of the password file of Wattline 0.2 are taken over. Where Mosquitto runs on FOLDER, rights change at once;
    all else wants Mosquitto to be started again.
    """
    found = listeners(**listening)  # type: ignore[arg-type]
    plugin = whole("--plugin", plugin) if plugin else find_plugin()
    if plugin is None:
        raise click.UsageError(f"{PLUGIN} is not on this machine: install Debian's mosquitto, or name it with --plugin")
    try:
        topics = Topics(root)
    except ContractError as error:
        raise click.BadParameter(str(error), param_hint="--root") from error
    folder = folder.absolute()
    if found[0].identity and not (folder / ADMIN_CERTIFICATE).exists():
        made = f"wattline ca service-certificate --folder ... --name {ADMIN} --to {shlex.quote(str(folder))}"
        raise click.UsageError(f"this command itself would not be let in by the broker; make its certificate: `{made}`")
    with _writing(folder):
        own = prepare_folder(folder, owner)
        changed = Installation(folder, _reached(folder, address), owner).prepare(topics)
        replace_file(folder / CONFIG_FILE, render_config(found, folder, plugin), owner)
    if not own:
        click.echo(f"{folder} holds other files too, so its owner and mode stay: Mosquitto must be able to write there")
    _print_owner(folder, owner)
    click.echo(f"rights hold {changed.value}")
    click.echo(_next_steps(folder, owner, (INGESTOR, GATEWAY, BRIDGE, OUTLET) if found[0].identity else ()))


@broker.command("add-user")
@_written_folder
@click.option(
    "--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File with USER's password."
)
@click.option(
    "--role",
    type=click.Choice(ROLES),
    help="What USER may do, where it is a person or a service with a name of its own, which begins with wattline-.",
)
@click.option(
    "--by-certificate",
    is_flag=True,
    help="USER, a service, logs in by its certificate at the services' listener, and by no password.",
)
@_address_option
@_owner_option
@click.argument("user")
def add_user(
    folder: Path,
    password_file: Path | None,
    role: str | None,
    by_certificate: bool,
    address: str | None,
    owner: Owner | None,
    user: str,
) -> None:
    """Let USER in: a device by its id, one of the services' and people's roles, or a person of a role.

    Without --password-file a random password is made and printed once. It holds at once where Mosquitto runs; who was
    connected with another one is cut off. Engineers and monitors connect with their name as client id.
    """
    if by_certificate and password_file is not None:
        raise click.UsageError("--by-certificate and --password-file: give one of both")
    given = None if password_file is None else _password(password_file)
    password = secrets.token_urlsafe(SECRET_BYTES) if given is None else given
    try:
        login = login_of(user, role)
    except ContractError as error:
        raise click.BadParameter(str(error), param_hint="USER") from error
    is_device = login.client_id == user and role is None and user not in ROLES
    if by_certificate and login.client_id is not None and user != MONITOR:
        reason = f"{user} is a device, which gets its certificate by enrolment; --role says what a service may do"
        if not is_device:
            reason = f"where services come by certificates nobody holds {user} to its client id; give it a password"
        raise click.BadParameter(reason, param_hint="USER")
    folder = folder.absolute()
    with _writing(folder):
        if owner is not None:
            prepare_folder(folder, owner)
        changed = Installation(folder, _reached(folder, address), owner).let_in(
            login, None if by_certificate else password
        )
    what = "device" if is_device else f"{login.roles[0]}"
    click.echo(f"{what} {user} may log in {changed.value}", err=True)
    if given is None and not by_certificate:
        click.echo(password)


@broker.command("remove-user")
@_written_folder
@_address_option
@_owner_option
@click.argument("user")
def remove_user(folder: Path, address: str | None, owner: Owner | None, user: str) -> None:
    """End the login of USER, a person or a service. That of a device ends by `wattline device revoke`.

    It holds at once where Mosquitto runs; who is connected by that login is cut off.
    """
    folder = folder.absolute()
    with _writing(folder):
        changed = Installation(folder, _reached(folder, address), owner).let_out(user)
    click.echo(f"{user} may log in no more {changed.value}")


def _reached(folder: Path, address: str | None) -> BrokerAddress:
    """Where the broker of a folder is reached if it runs. Raises click.BadParameter."""
    present = first_listener(read_file(folder / CONFIG_FILE), folder) or BrokerAddress(port=SERVICES_PORT)
    if address is None:
        return present
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise click.BadParameter(f"{address!r} is no HOST:PORT", param_hint="--address")
    return present.model_copy(update={"host": host, "port": int(port)})


def _password(path: Path) -> str:
    try:
        password = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"can't read {path}: {error}", param_hint="--password-file") from error
    if not password:
        reason = f"{path} is empty: put the password into it, or leave the option out to have one made"
        raise click.BadParameter(reason, param_hint="--password-file")
    return password


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = error.filename or folder
        reason = f"can't write {place}: {error.strerror}; name a folder that this account may write, or use sudo"
        raise click.BadParameter(reason, param_hint="--folder") from error
    except WattlineError as error:
        raise click.ClickException(str(error)) from error


def _print_owner(folder: Path, owner: Owner | None) -> None:
    """Say what is left to do where the files could not be given to Mosquitto's account."""
    if owner is None:
        why = f"there is no account {DEFAULT_OWNER} here" if os.geteuid() == 0 else "only root may give files away"
        words = f"chown -R ACCOUNT: {shlex.quote(str(folder))}"
        click.echo(f"the files keep their owner ({why}): if Mosquitto runs as another ACCOUNT, {words}", err=True)


def _next_steps(folder: Path, owner: Owner | None, by_certificate: tuple[str, ...]) -> str:
    place = shlex.quote(str(folder))
    config = shlex.quote(str(folder / CONFIG_FILE))
    users, how = (*ROLES, "DEVICE-ID"), dict.fromkeys(by_certificate, " --by-certificate")
    named = f" --owner {owner.name}" if owner is not None and owner.name != DEFAULT_OWNER else ""
    return "\n".join(
        [
            f"written to {folder}; next, users (each who has a password prints it once):",
            *(f"  wattline broker add-user --folder {place}{named}{how.get(user, '')} {user}" for user in users),
            "then start Mosquitto:",
            f"  mosquitto -c {config}",
            "or, where systemd runs it (Debian), put this into `systemctl edit mosquitto` and restart it; no include",
            "in /etc/mosquitto/conf.d, as that would set options twice, which Mosquitto refuses:",
            "  [Service]",
            "  ExecStart=",
            f"  ExecStart=/usr/sbin/mosquitto -c {config}",
        ]
    )
