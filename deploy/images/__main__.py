"""`python -m deploy.images build|folders`: container images without a container engine."""

import subprocess
import tempfile
import tomllib
from pathlib import Path

import click

from broker.runtime.environment import read
from deploy.commands import Commands
from deploy.images.build import Order, build, moment
from deploy.images.contents import ARCHITECTURES, IMAGES
from deploy.images.trees import Release, lay_out, trees
from deploy.local.settings import LocalSettings

_TOP = Path(__file__).resolve().parents[2]
_EPOCH = click.option(
    "--created", envvar="SOURCE_DATE_EPOCH", type=int, help="Seconds since 1970 that count as now [the last commit's]."
)
_WHEEL = click.option(
    "--wheel", type=click.Path(exists=True, path_type=Path), help="Wattline's wheel [built of this checkout]."
)
_ARCHITECTURE = click.Choice(list(ARCHITECTURES))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Images of the agent and of the services, for amd64 and arm64."""


@main.command("build")
@click.option("--out", type=click.Path(path_type=Path), default=Path("dist/images"), show_default=True)
@click.option("--image", "names", multiple=True, type=click.Choice(list(IMAGES)), help="Only this one.")
@click.option("--architecture", "architectures", multiple=True, type=_ARCHITECTURE, help="Only this one.")
@click.option("--compress-anew", is_flag=True, help="Compress also what an earlier build did.")
@_WHEEL
@_EPOCH
def build_command(
    out: Path, names: tuple[str, ...], architectures: tuple[str, ...], wheel: Path | None, created: int | None,
    *, compress_anew: bool,
) -> None:  # fmt: skip
    """Write an OCI image layout for each image, its bill of materials, and a report."""
    images = [IMAGES[name] for name in names or IMAGES]
    order = Order(images, architectures or tuple(ARCHITECTURES), _release(created), out, wheel, compress_anew)
    with _workplace() as work:
        report = build(order, Path(work), read(LocalSettings), _say)
    for name, image in report["images"].items():
        click.echo(f"{name}  {image['digest']}")
        for architecture, one in image["architectures"].items():
            sizes = ", ".join(f"{layer} {size['bytes'] / 1e6:.2f}" for layer, size in one["layers"].items())
            click.echo(f"  {architecture}  {one['bytes'] / 1e6:.2f} MB ({sizes})")


@main.command("folders")
@click.option("--image", "name", required=True, type=click.Choice(list(IMAGES)))
@click.option("--architecture", required=True, type=_ARCHITECTURE)
@click.argument("out", type=click.Path(path_type=Path))
@_WHEEL
@_EPOCH
def folders_command(name: str, architecture: str, out: Path, wheel: Path | None, created: int | None) -> None:
    """Write the layers of one image as folders, which a Dockerfile copies."""
    with _workplace() as work:
        made = trees([IMAGES[name]], [architecture], _release(created), wheel, Path(work), read(LocalSettings), _say)
        for tree in made:
            for layer, folder in tree.layers.items():
                lay_out(folder, out / layer)


def _workplace() -> tempfile.TemporaryDirectory[str]:
    # folders of images are read by whoever packs them, and names must not change on the way
    return tempfile.TemporaryDirectory(prefix="wattline-images-", dir=Path(tempfile.gettempdir()).resolve())


def _release(created: int | None) -> Release:
    version = tomllib.loads((_TOP / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    revision = _git("rev-parse", "HEAD")
    if created is None:
        at = _git("log", "-1", "--format=%ct")
        if not at:
            raise click.UsageError("this is no git checkout: say --created, or set SOURCE_DATE_EPOCH")
        created = int(at)
    return Release(version, revision or "unknown", moment(created))


def _git(*words: str) -> str:
    """What git says of the checkout, nothing where there is none."""
    try:
        done = subprocess.run(["git", *words], cwd=_TOP, capture_output=True, text=True, check=False, timeout=30)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
