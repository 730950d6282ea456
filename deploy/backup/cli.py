"""The commands `wattline backup` and `wattline restore`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from broker.errors import PermanentError
from broker.runtime.options import passphrase_in
from deploy.backup.backup import back_up
from deploy.backup.backup import restore as put_back
from deploy.backup.database import DatabaseAccess
from deploy.backup.places import USUAL

_SECRET = "it holds every secret of the platform: keep it as you keep its keys, or seal it with --passphrase-file"  # noqa: S105
_folder = click.Path(file_okay=False, path_type=Path)
_WHAT = {
    "settings": "The services' settings and passwords.",
    "certificates": "The broker's certificate.",
    "broker": "Mosquitto's logins, queues and retained messages.",
    "authority": "The certificate authority.",
}


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that both commands take."""
    for place, usual in reversed(tuple(USUAL.items())):
        command = click.option(f"--{place}", type=_folder, default=usual, show_default=True, help=_WHAT[place])(command)
    command = click.option(
        "--passphrase-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="What the file is sealed by (scrypt, AES-256-GCM).",
    )(command)
    command = click.option(
        "--account", default="postgres", show_default=True,
        help="Whom PostgreSQL's programs run as, where root runs this and --dsn names no user.",
    )(command)  # fmt: skip
    return click.option(
        "--dsn", envvar="WATTLINE_STORE_DSN", show_envvar=True, default="postgresql:///wattline", show_default=True,
        help="The database, as a superuser of its server reaches it; as an argument `ps` shows a password in it.",
    )(command)  # fmt: skip


@click.command()
@_shared
@click.option("--broker-unit", default="mosquitto", show_default=True, help="Mosquitto's unit, which is asked to save its queues; '' if systemd runs none here.")  # fmt: skip  # noqa: E501
@click.argument("to", type=click.Path(dir_okay=False, path_type=Path))
def backup(to: Path, dsn: str, account: str, passphrase_file: Path | None, broker_unit: str, **places: Path) -> None:
    """Write a backup of the whole platform into the file TO, while all runs.

    Database, broker, certificate authority and settings. What Pis have not sent yet they keep.
    """
    passphrase = passphrase_in(passphrase_file)
    with _plainly("backup"):
        manifest = back_up(to.absolute(), DatabaseAccess.of(dsn, account, _say), places, passphrase, broker_unit, _say)
        click.echo(f"{to}: {len(manifest.members)} parts of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC, all of it")
    if passphrase is None:
        _say(f"note: {_SECRET}")


@click.command()
@_shared
@click.argument("source", metavar="FROM", type=click.File("rb"))
def restore(source: Any, dsn: str, account: str, passphrase_file: Path | None, **places: Path) -> None:
    """Put a backup back where nothing is: no database of that name, none of its files.

    All of it is checked before anything is changed, and what fails leaves nothing behind. Then run `wattline migrate`
    and start broker and services.
    """
    passphrase = passphrase_in(passphrase_file)
    with _plainly("restore"):
        manifest = put_back(source, DatabaseAccess.of(dsn, account, _say), places, passphrase, _say)
        click.echo(f"restored as of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC, of Wattline {manifest.wattline}")
        click.echo("next: wattline migrate, then start Mosquitto and the services")


@contextmanager
def _plainly(command: str) -> Iterator[None]:
    """Say what a person can mend in one line."""
    try:
        yield
    except PermanentError as error:
        sys.exit(f"wattline {command}: {error}")
    except OSError as error:
        sys.exit(f"wattline {command}: {error.filename or 'a file'}: {error.strerror or error}")


def _say(line: str) -> None:
    click.echo(line, err=True)
