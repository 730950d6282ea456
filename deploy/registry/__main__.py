"""`python -m deploy.registry`: run a registry of our images, let users in, push, remove and collect."""

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from broker.runtime.environment import read
from deploy.commands import Commands
from deploy.images.build import REPORT
from deploy.local.containers import provide_containers, provide_registry
from deploy.local.settings import LocalSettings
from deploy.registry.client import Registry
from deploy.registry.files import Place, Side, add_user, remove_user, user_names
from deploy.registry.server import certify, collect, configure, running

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), default=Path("build/registry"), show_default=True,
    help="The registry's: images, certificate, users.",
)  # fmt: skip
_SIDE = click.option("--side", type=click.Choice([str(side) for side in Side]), default="read", show_default=True)


def _asks(command: F) -> F:
    """The options of what asks a registry as somebody who may publish."""
    address = click.option("--address", required=True, help="Host and port of the side publish.")
    trust = click.option("--ca", required=True, type=_FILE, help="Whom to trust: the authority's root.pem.")
    user = click.option("--user", default="publisher", show_default=True)
    password = click.option("--password-file", required=True, type=_FILE)
    return address(trust(user(password(command))))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A registry of images: one side for Pis, which only reads, and one to publish by, both on one store."""


def _certified(command: F) -> F:
    """The options of what makes the registry's certificate."""
    authority = click.option("--ca", "authority", type=click.Path(file_okay=False, path_type=Path),
                             help="The authority's folder, as `wattline ca` makes it [FOLDER/ca].")  # fmt: skip
    names = click.option("--name", "names", multiple=True, default=("localhost", "127.0.0.1"), show_default=True,
                         help="What its clients call it.")  # fmt: skip
    return _FOLDER(authority(names(command)))


@main.command("run")
@_certified
@click.option("--read", "read_at", default="0.0.0.0:5000", show_default=True, help="Where Pis read.")
@click.option("--publish", "publish_at", default="127.0.0.1:5001", show_default=True, help="Where images come in.")
def run_command(folder: Path, authority: Path | None, names: tuple[str, ...], read_at: str, publish_at: str) -> None:
    """Run both sides until Ctrl-C. Certificate and users are made where there are none."""
    place = Place(folder.absolute())
    _prepare(place, authority, names, {Side.READ: read_at, Side.PUBLISH: publish_at})
    asyncio.run(_until_stopped(place))


@main.command("prepare")
@_certified
@click.option("--inside", type=click.Path(path_type=Path), default=Path("/registry"), show_default=True,
              help="Where the containers have the folder.")  # fmt: skip
def prepare_command(folder: Path, authority: Path | None, names: tuple[str, ...], inside: Path) -> None:
    """Write what deploy/registry/compose.yaml's containers read: certificate, configurations, users."""
    place = Place(folder.absolute(), inside)
    _prepare(place, authority, names, {Side.READ: ":5000", Side.PUBLISH: ":5001"})


def _prepare(place: Place, authority: Path | None, names: tuple[str, ...], addresses: dict[Side, str]) -> None:
    root = certify(place, (authority or place.folder / "ca").absolute(), names)
    configure(place, addresses)
    click.echo(f"folder      {place.folder}")
    click.echo(f"trust       {root}")
    for side, user in ((Side.READ, "reader"), (Side.PUBLISH, "publisher")):
        click.echo(f"{side:<11} {addresses[side]}")
        if not user_names(place, side):
            click.echo(f"  user      {user} {add_user(place, side, user)}")


@main.group("user")
def user() -> None:
    """Who is let in; both sides have users of their own."""


@user.command("add")
@click.argument("name")
@_SIDE
@_FOLDER
def add_command(name: str, side: str, folder: Path) -> None:
    """Let NAME in, or give it another password, which is printed."""
    click.echo(add_user(Place(folder), Side(side), name))


@user.command("remove")
@click.argument("name")
@_SIDE
@_FOLDER
def remove_user_command(name: str, side: str, folder: Path) -> None:
    """Shut NAME out, from the next request on."""
    remove_user(Place(folder), Side(side), name)


@user.command("list")
@_SIDE
@_FOLDER
def list_command(side: str, folder: Path) -> None:
    """Print who is let in."""
    for name in user_names(Place(folder), Side(side)):
        click.echo(name)


@main.command("push")
@click.argument("images", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path("dist/images"))
@_asks
def push_command(images: Path, address: str, ca: Path, user: str, password_file: Path) -> None:
    """Push what `make images` built; prints each image's name and digest as the registry has them."""
    skopeo = provide_containers(read(LocalSettings), _say).skopeo
    registry = Registry(address, ca, user, password_file.read_text().strip())
    report = json.loads((images / REPORT).read_text())
    for name, image in report["images"].items():
        pushed = registry.push(skopeo, images / name, report["version"], f"wattline/{name}", report["version"])
        if pushed != image["digest"]:
            raise click.ClickException(f"{name} became {pushed} on its way, it was {image['digest']}")
        click.echo(f"{address}/wattline/{name}@{pushed}")


@main.command("remove")
@click.argument("image")
@_asks
def remove_command(image: str, address: str, ca: Path, user: str, password_file: Path) -> None:
    """Remove IMAGE, NAME@DIGEST, of all architectures; `collect` then frees what it alone had."""
    name, _, digest = image.partition("@")
    registry = Registry(address, ca, user, password_file.read_text().strip())
    for gone in registry.remove(name, digest):
        click.echo(f"removed {name}@{gone}")


@main.command("collect")
@_FOLDER
def collect_command(folder: Path) -> None:
    """Delete the layers that no image names; the side publish must not run."""
    collect(provide_registry(read(LocalSettings), _say), Place(folder.absolute()))


async def _until_stopped(place: Place) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    async with running(provide_registry(read(LocalSettings), _say), place, (Side.READ, Side.PUBLISH)):
        click.echo("Ctrl-C ends it")
        await stop.wait()
    click.echo("ended")


def _say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
