"""`python -m deploy.releases begin|wheels|add|withdraw|refresh|rotate|list`: sign releases, at a publisher's desk."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
from securesystemslib.signer import CryptoSigner

from broker.patterns import RELEASE
from broker.runtime.options import passphrase_in
from deploy.commands import Commands
from deploy.images.build import REPORT
from deploy.releases.images import AGENT, image_files
from deploy.releases.keys import load_key, make_key
from deploy.releases.repository import Repository, Role
from deploy.releases.wheels import environments, gather, prove, published
from device.releases.document import Release, ReleasedImage

F = TypeVar("F", bound=Callable[..., Any])
_RELEASE = re.compile(RELEASE)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), default=Path("build/releases"), show_default=True,
    help="What is signed, to be served as it is.",
)  # fmt: skip
_PASSPHRASE = click.option("--passphrase-file", type=_FILE, help="What the keys are behind.")
_ONLINE = click.option("--online-key", required=True, type=_FILE, help="The key that says what is newest.")
_ROOTS = click.option("--root-key", "root_keys", multiple=True, required=True, type=_FILE, help="Repeatable.")


def _signing(command: F) -> F:
    """The options of what changes the list of releases."""
    key = click.option("--key", required=True, type=_FILE, help="The releases' key.")
    return _FOLDER(key(_ONLINE(_PASSPHRASE(command))))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Signed releases, which Pis believe whoever brings them."""


@main.command("begin")
@click.option("--keys", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where keys are made.")
@click.option("--root-keys", "count", type=click.IntRange(1, 9), default=3, show_default=True)
@click.option("--threshold", type=click.IntRange(1, 9), default=2, show_default=True, help="How many must sign.")
@_FOLDER
@_PASSPHRASE
def begin_command(keys: Path, count: int, threshold: int, folder: Path, passphrase_file: Path | None) -> None:
    """Make keys and an empty list; prints which file Pis must have, and which keys to take away."""
    secret = passphrase_in(passphrase_file)
    roots = [make_key(keys / f"root-{number}.key", secret) for number in range(1, count + 1)]
    release, online = make_key(keys / "release.key", secret), make_key(keys / "online.key", secret)
    Repository(folder).begin(roots, threshold, release, online, datetime.now(UTC))
    click.echo(f"Pis trust {folder / 'metadata' / '1.root.json'}")
    click.echo(f"take {keys}/root-*.key to {count} places apart: {threshold} of them change any other key")
    click.echo(f"{keys}/release.key signs releases; {keys}/online.key belongs where `refresh` runs daily")


@main.command("wheels")
@click.argument("platforms", nargs=-1, required=True)
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), default=Path("build/wheels"),
              show_default=True, help="Each platform gets a folder of its name here.")  # fmt: skip
def wheels_command(platforms: tuple[str, ...], into: Path) -> None:
    """Fetch what an agent needs on PLATFORMS, such as cp313-aarch64: Python's version and the machine."""
    for platform in platforms:
        click.echo(f"{gather(platform, into)} wheels in {into / platform}")


@main.command("add")
@_signing
@click.option("--images", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="What `make images` built, for Pis that run containers.")  # fmt: skip
@click.option("--version", help="Of a release without images.")
@click.option("--wheel", type=_FILE, help="What `make wheel` built.")
@click.option("--wheels", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="A folder of `wheels`, for installations without containers; repeatable.")  # fmt: skip
def add_command(
    folder: Path, key: Path, online_key: Path, passphrase_file: Path | None, images: Path | None, version: str | None,
    wheel: Path | None, wheels: tuple[Path, ...],
) -> None:  # fmt: skip
    """Sign a release: the images by digest, wheels by hash; wheels and the agent's image go into the folder."""
    release = described(_built(images, version), wheel, wheels, folder, images)
    signer, online = _keys(passphrase_file, key, online_key)
    Repository(folder).add(release, signer, online, datetime.now(UTC))
    click.echo(f"{release.version} is signed")


@main.command("withdraw")
@_signing
@click.argument("version")
def withdraw_command(folder: Path, key: Path, online_key: Path, passphrase_file: Path | None, version: str) -> None:
    """Take VERSION back: no Pi installs it any more."""
    signer, online = _keys(passphrase_file, key, online_key)
    Repository(folder).withdraw(version, signer, online, datetime.now(UTC))
    click.echo(f"{version} is withdrawn")


@main.command("refresh")
@_FOLDER
@_ONLINE
@_PASSPHRASE
def refresh_command(folder: Path, online_key: Path, passphrase_file: Path | None) -> None:
    """Say again that this is the newest word; to be done daily."""
    (online,) = _keys(passphrase_file, online_key)
    Repository(folder).refresh(online, datetime.now(UTC))


@main.command("rotate")
@click.argument("role", type=click.Choice([str(role) for role in Role]))
@click.option("--new", "new_keys", multiple=True, required=True, type=click.Path(path_type=Path),
              help="A key's file, made where there is none; repeatable for root.")  # fmt: skip
@_ROOTS
@_FOLDER
@_PASSPHRASE
def rotate_command(
    role: str, new_keys: tuple[Path, ...], root_keys: tuple[Path, ...], folder: Path, passphrase_file: Path | None
) -> None:
    """Give ROLE other keys. After targets: `resign` with the new one; after online: `refresh`."""
    secret = passphrase_in(passphrase_file)
    new = [load_key(one, secret) if one.exists() else make_key(one, secret) for one in new_keys]
    Repository(folder).rotate(Role(role), new, _keys(passphrase_file, *root_keys), datetime.now(UTC))
    click.echo(f"{role} has {len(new)} new keys; Pis follow at their next look")


@main.command("resign")
@_signing
def resign_command(folder: Path, key: Path, online_key: Path, passphrase_file: Path | None) -> None:
    """Sign the list of releases anew: with a new key, or before its word ends."""
    signer, online = _keys(passphrase_file, key, online_key)
    Repository(folder).sign_targets(signer, online, datetime.now(UTC))


@main.command("list")
@_FOLDER
def list_command(folder: Path) -> None:
    """Print the versions that are signed."""
    for version in Repository(folder).releases():
        click.echo(version)


def _built(images: Path | None, version: str | None) -> dict[str, Any]:
    """What `make images` says that it built, or a release of wheels alone."""
    if images is None:
        if version is None or _RELEASE.fullmatch(version) is None:
            raise click.BadParameter("give one such as 0.3.0, or --images, which know theirs", param_hint="--version")
        return {"version": version, "images": {}}
    file = images / REPORT
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"{file}: {error}; `make images` writes it", param_hint="--images") from error
    if version not in (None, found["version"]):
        raise click.BadParameter(f"the images are of {found['version']}", param_hint="--version")
    return dict(found)


def described(
    report: dict[str, Any], wheel: Path | None, wheels: Sequence[Path], public: Path, built: Path | None = None
) -> Release:
    """A release out of what was built; images' files stand in `built`. Raises SigningError."""
    images = {
        name: ReleasedImage(
            index=image["digest"],
            architectures={key: one["digest"] for key, one in image["architectures"].items()},
            blobs=image_files(image, built / name, public) if built is not None and name == AGENT else {},
        )
        for name, image in report["images"].items()
    }
    if wheel is not None:
        prove(wheel, report["version"])
    return Release(
        version=report["version"],
        images=images,
        environments=environments(wheel, wheels, public),
        wheel=published(wheel, public) if wheel else None,
    )


def _keys(passphrase_file: Path | None, *files: Path) -> list[CryptoSigner]:
    secret = passphrase_in(passphrase_file)
    return [load_key(file, secret) for file in files]


if __name__ == "__main__":
    main()
