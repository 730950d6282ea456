"""Writes what Grafana loads from files: `python -m grafana.build`, or with --check says whether they are current."""

import json
from pathlib import Path
from typing import Any

import click
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from broker.errors import PermanentError
from grafana.boards import data_quality, fleet, load_profile, meter, parameters, platform, volume
from grafana.files import data_source_file, escaped, provider_file
from grafana.notify import contact_points, policy
from grafana.rules import FOLDER_TITLE, GROUP, rules
from grafana.settings import GrafanaSettings

HOME = Path(__file__).parent
BOARDS = (fleet, meter, volume, load_profile, data_quality, parameters, platform)
EMPTY = ("plugins", "notifiers")
_NOT_IN_FILES = ("folderUID", "orgID", "ruleGroup")


def plain(made: object) -> Any:
    """An object of the SDK as plain JSON data."""
    return json.loads(json.dumps(made, cls=JSONEncoder))


def dashboards(settings: GrafanaSettings) -> list[dict[str, Any]]:
    """All dashboards as Grafana's JSON model."""
    return [plain(module.board(settings)) for module in BOARDS]


def alerting_file(settings: GrafanaSettings, *, policies: bool = False) -> dict[str, Any]:
    """Rules, contact points and, where asked, policies as a file below Grafana's provisioning/alerting.

    A file replaces the whole tree of policies, and locks it for Grafana's own pages.
    """
    listed = [
        {key: value for key, value in plain(rule).items() if key not in _NOT_IN_FILES} for rule in rules(settings)
    ]
    made: dict[str, Any] = {
        "apiVersion": 1,
        "groups": [{"orgId": 1, "name": GROUP, "folder": FOLDER_TITLE, "interval": "1m", "rules": listed}],
    }
    points = contact_points(settings)
    if points:
        made["contactPoints"] = [
            {"orgId": 1, "name": point.pop("name"), "receivers": [escaped(point)]} for point in points
        ]
    if points and policies:
        route = escaped(policy(settings) or {})
        made["policies"] = [{"orgId": 1, "receiver": route["receiver"], "routes": [route]}]
    return made


def rendered(settings: GrafanaSettings, *, policies: bool = False) -> dict[str, str]:
    """The text of each file by its path below `grafana/`."""
    made = {
        f"dashboards/{board['uid']}.json": json.dumps(board, indent=2, ensure_ascii=False) + "\n"
        for board in dashboards(settings)
    }
    provisioning = {
        "datasources": data_source_file(settings),
        "dashboards": provider_file(),
        "alerting": alerting_file(settings, policies=policies),
    }
    for kind, content in provisioning.items():
        if content is not None:
            made[f"provisioning/{kind}/wattline.yaml"] = _yaml(content)
    # Grafana looks into these too, and logs an error where one is missing
    return made | {f"provisioning/{kind}/README": f"Wattline has no {kind} of Grafana's.\n" for kind in EMPTY}


def _yaml(content: dict[str, Any]) -> str:
    head = (
        "# Written by `python -m grafana.build`. Grafana puts its environment in place of $NAME; see docs/GRAFANA.md.\n"
    )
    return head + yaml.dump(content, Dumper=_Blocks, sort_keys=False, allow_unicode=True, width=120)


class _Blocks(yaml.SafeDumper):
    """SQL as a person would write it into a YAML file."""


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Blocks.add_representer(str, _text_node)


def write(folder: Path, settings: GrafanaSettings, *, policies: bool = False) -> list[Path]:
    """Write all files below a folder, and remove those of ours that are no more. Raises PermanentError."""
    made = rendered(settings, policies=policies)
    try:
        for name, text in made.items():
            _replace(folder / name, text)
        for stale in stray(folder, made):
            stale.unlink()
    except OSError as error:
        reason = f"can't write {error.filename or folder}: {error.strerror}"
        raise PermanentError(f"{reason}; make room or name a folder that you may write") from error
    return [folder / name for name in made]


def _replace(file: Path, text: str) -> None:
    """Write the whole file or nothing: Grafana may look at any moment, and a disk may be full."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.new")
    try:
        new.write_text(text, "utf-8")
        new.replace(file)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(file)) from error


def stray(folder: Path, made: dict[str, str]) -> list[Path]:
    """Files in the folder that are ours by their name and that nothing makes any more."""
    found = [*folder.glob("dashboards/wattline-*.json"), *folder.glob("provisioning/datasources/wattline.yaml")]
    return sorted(file for file in found if str(file.relative_to(folder)) not in made)


def write_command(folder: Path, settings: GrafanaSettings, *, policies: bool = False) -> None:
    """Write all files and name them on stdout; ends a command with what a person can mend."""
    try:
        for file in write(folder, settings, policies=policies):
            click.echo(f"wrote {file}")
    except PermanentError as error:
        raise click.ClickException(str(error)) from error


@click.command()
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), default=HOME, help="Where to write.")
@click.option("--check", is_flag=True, help="Write nothing; fail where a file is not current.")
def main(folder: Path, check: bool) -> None:
    """Write the files of the dashboards and alert rules as the settings' defaults have them."""
    settings = GrafanaSettings.model_construct()  # the environment of whoever builds stays out of committed files
    if not check:
        write_command(folder, settings)
        return
    made = rendered(settings)
    old = [name for name, text in made.items() if _text(folder / name) != text]
    old += [str(file.relative_to(folder)) for file in stray(folder, made)]
    if old:
        raise click.ClickException(f"{', '.join(old)}: not current in {folder}; run python -m grafana.build")


def _text(file: Path) -> str | None:
    return file.read_text("utf-8") if file.is_file() else None


if __name__ == "__main__":
    main()
