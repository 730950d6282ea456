"""The commands `wattline backup` and `wattline restore`."""

import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from broker.errors import PermanentError
from broker.runtime.options import passphrase_in
from deploy.backup.backup import back_up
from deploy.backup.backup import restore as put_back
from deploy.backup.database import DatabaseAccess
from deploy.backup.places import USUAL, unreachable

_SECRET = "it holds every secret of the platform: keep it as you keep its keys, or seal it with --passphrase-file"  # noqa: S105
LEFT_OUT: Final = "left out as asked"
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
@click.option("--without", multiple=True, type=click.Choice(tuple(USUAL)), help="Leave this place out: the backup is a partial one, and is called so.")  # fmt: skip  # noqa: E501
@click.option("--partial", is_flag=True, help="Leave out places that are not on this machine, or may not be read, and say so.")  # fmt: skip  # noqa: E501
@click.option("--verify", is_flag=True, help="Read it back before it gets its name, and compare all with its manifest.")
@click.option("--json", "as_json", is_flag=True, help="Say all in lines of JSON, the last of which is what was made.")
@click.argument("to", type=click.Path(dir_okay=False, path_type=Path))
def backup(
    to: Path, dsn: str, account: str, passphrase_file: Path | None, broker_unit: str, without: tuple[str, ...],
    partial: bool, verify: bool, as_json: bool, **places: Path,
) -> None:  # fmt: skip
    """Write a backup of the whole platform into the file TO, while all runs.

    Database, broker, certificate authority and settings. What Pis have not sent yet they keep. What lacks a place is
    called NAME.partial in place of NAME.
    """
    passphrase = passphrase_in(passphrase_file)
    if as_json:
        # who runs it ends it so: what it has begun is to go, and PostgreSQL's programs with it
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    say = _say_as_json if as_json else _say
    with _plainly("backup"):
        lacks = dict.fromkeys(without, LEFT_OUT)
        wanted = {place: folder for place, folder in places.items() if place not in lacks}
        if partial:
            lacks |= unreachable(wanted)
        there = {place: folder for place, folder in wanted.items() if place not in lacks}
        target = to.with_name(f"{to.stem}.partial{to.suffix}") if lacks else to
        access = DatabaseAccess.of(dsn, account, say)
        manifest = back_up(
            target.absolute(), access, there, passphrase, broker_unit, say, lacks=lacks, check=verify
        )  # fmt: skip
        if as_json:
            made = {
                "file": target.name, "made_at": manifest.made_at.isoformat(), "bytes": target.stat().st_size,
                "parts": len(manifest.members), "lacks": lacks, "sealed": passphrase is not None, "verified": verify,
            }  # fmt: skip
            click.echo(json.dumps({"result": made}))
            return
        what = "all of it" if not lacks else f"a part of it alone, without {_listed(lacks)}"
        click.echo(f"{target}: {len(manifest.members)} parts of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC, {what}")
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
        if manifest.lacks:
            click.echo(f"note: it was a partial backup, without {_listed(manifest.lacks)}: bring these from elsewhere")
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


def _say_as_json(line: str) -> None:
    click.echo(json.dumps({"note": line}))


def _listed(lacks: Mapping[str, str]) -> str:
    return "; ".join(f"{place} ({why})" for place, why in lacks.items())
