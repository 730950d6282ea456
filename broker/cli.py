"""`wattline broker`: write Mosquitto's configuration and let users in."""

import os
import secrets
from pathlib import Path

import click

from broker.errors import ContractError
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
from broker.topics import DEFAULT_ROOT, Topics


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
def write_config(
    folder: Path, host: str, port: int, root: str, certificate: Path | None, key: Path | None, authority: Path | None
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
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / CONFIG_FILE, render_config(port, folder.absolute(), host=host, tls=tls))
    _write(folder / ACL_FILE, render_acl(topics))
    if not (folder / PASSWORD_FILE).exists():
        _write(folder / PASSWORD_FILE, "")
    click.echo(f"written to {folder}; next: wattline broker add-user --folder {folder} USER")


@broker.command("add-user")
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option(
    "--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File with the password."
)
@click.argument("user")
def add_user(folder: Path, password_file: Path | None, user: str) -> None:
    """Let USER in: a device by its id, or one of the roles ingestor, gateway, engineer, monitor.

    Without --password-file a random password is made and printed once. Mosquitto reads it on SIGHUP.
    """
    given = password_file.read_text().strip() if password_file is not None else None
    password = given or secrets.token_urlsafe(24)
    try:
        entry = password_entry(user, password)
    except ContractError as error:
        raise click.BadParameter(str(error), param_hint="USER") from error
    path = folder / PASSWORD_FILE
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if not line.startswith(f"{user}:")]
    _write(path, "\n".join([*kept, entry]) + "\n")
    click.echo(f"{'role' if user in ROLES else 'device'} {user} may log in after Mosquitto's reload (SIGHUP)", err=True)
    if given is None:
        click.echo(password)


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole, readable by its owner and group only."""
    growing = path.with_name(f"{path.name}.new")
    growing.touch(mode=0o640)
    growing.write_text(text)
    growing.chmod(0o640)
    if path.exists():
        stat = path.stat()
        os.chown(growing, stat.st_uid, stat.st_gid)
    growing.replace(path)
