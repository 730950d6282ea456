"""`wattline broker`: write Mosquitto's configuration and let users in."""

import contextlib
import os
import secrets
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from broker.errors import ContractError, PermanentError
from broker.mosquitto import (
    ACL_FILE,
    CONFIG_FILE,
    PASSWORD_FILE,
    ROLES,
    TlsFiles,
    password_entry,
    render_acl,
    render_config,
)
from broker.mosquitto_files import DEFAULT_OWNER, Owner, find_owner, prepare_folder, read_file, replace_file
from broker.topics import DEFAULT_ROOT, Topics


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


@click.group()
def broker() -> None:
    """Write Mosquitto's config, ACL and users."""


@broker.command("config")
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where Mosquitto keeps all."
)
@click.option("--host", default="0.0.0.0", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=1883, show_default=True)
@click.option("--root", default=DEFAULT_ROOT, show_default=True, help="Topic root.")
@click.option("--certificate", type=click.Path(path_type=Path), help="TLS certificate, with --key and --authority.")
@click.option("--key", type=click.Path(path_type=Path), help="TLS private key.")
@click.option("--authority", type=click.Path(path_type=Path), help="TLS certificate authority.")
@_owner_option
def write_config(
    folder: Path,
    host: str,
    port: int,
    root: str,
    certificate: Path | None,
    key: Path | None,
    authority: Path | None,
    owner: Owner | None,
) -> None:
    """Write mosquitto.conf and the ACL into FOLDER; existing passwords are kept."""
    tls = None
    if certificate is not None or key is not None or authority is not None:
        if certificate is None or key is None or authority is None:
            raise click.UsageError("TLS needs --certificate, --key and --authority together")
        tls = TlsFiles(certificate, key, authority)
    try:
        topics = Topics(root)
    except ContractError as error:
        raise click.BadParameter(str(error), param_hint="--root") from error
    folder = folder.absolute()
    with _writing(folder):
        own = prepare_folder(folder, owner)
        replace_file(folder / CONFIG_FILE, render_config(port, folder, host=host, tls=tls), owner)
        replace_file(folder / ACL_FILE, render_acl(topics), owner)
        passwords = folder / PASSWORD_FILE
        replace_file(passwords, read_file(passwords), owner)
    if not own:
        click.echo(f"{folder} holds other files too, so its owner and mode stay: Mosquitto must be able to write there")
    _tell_owner(folder, owner)
    click.echo(_next_steps(folder, owner))


@broker.command("add-user")
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option(
    "--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File with the password."
)
@_owner_option
@click.argument("user")
def add_user(folder: Path, password_file: Path | None, owner: Owner | None, user: str) -> None:
    """Let USER in: a device by its id, or one of the roles ingestor, gateway, engineer, monitor.

    Without --password-file a random password is made and printed once. Mosquitto reads it on SIGHUP.
    """
    given = None if password_file is None else _password(password_file)
    password = secrets.token_urlsafe(24) if given is None else given
    try:
        entry = password_entry(user, password)
    except ContractError as error:
        raise click.BadParameter(str(error), param_hint="USER") from error
    path = folder / PASSWORD_FILE
    with _writing(folder):
        fresh = not path.exists()
        if owner is not None:
            prepare_folder(folder, owner)
        lines = read_file(path).splitlines()
        kept = [line for line in lines if not line.startswith(f"{user}:")]
        replace_file(path, "\n".join([*kept, entry]) + "\n", owner)
    if fresh:
        _tell_owner(folder, owner)
    click.echo(f"{'role' if user in ROLES else 'device'} {user} may log in after Mosquitto's reload (SIGHUP)", err=True)
    if given is None:
        click.echo(password)


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


def _tell_owner(folder: Path, owner: Owner | None) -> None:
    """Say what is left to do where the files could not be given to Mosquitto's account."""
    if owner is None:
        why = f"there is no account {DEFAULT_OWNER} here" if os.geteuid() == 0 else "only root may give files away"
        words = f"chown -R ACCOUNT: {shlex.quote(str(folder))}"
        click.echo(f"the files keep their owner ({why}): if Mosquitto runs as another ACCOUNT, {words}", err=True)


def _next_steps(folder: Path, owner: Owner | None) -> str:
    place = shlex.quote(str(folder))
    config = shlex.quote(str(folder / CONFIG_FILE))
    named = f" --owner {owner.name}" if owner is not None and owner.name != DEFAULT_OWNER else ""
    return "\n".join(
        [
            f"written to {folder}; next, users (each prints its password once):",
            *(f"  wattline broker add-user --folder {place}{named} {user}" for user in (*ROLES, "DEVICE-ID")),
            "then start Mosquitto:",
            f"  mosquitto -c {config}",
            "or, where systemd runs it (Debian), put this into `systemctl edit mosquitto` and restart it; no include",
            "in /etc/mosquitto/conf.d, as that would set options twice, which Mosquitto refuses:",
            "  [Service]",
            "  ExecStart=",
            f"  ExecStart=/usr/sbin/mosquitto -c {config}",
        ]
    )
