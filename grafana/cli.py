"""The commands `wattline grafana provision` and `wattline grafana write`."""

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from broker.errors import PermanentError
from broker.runtime.environment import read
from grafana.api import Grafana
from grafana.build import write_command
from grafana.changes import Change
from grafana.provision import Provisioner
from grafana.settings import GrafanaSettings

_COLORS = {"created": "green", "updated": "yellow", "removed": "red", "unchanged": "dim", "left alone": "cyan"}


@click.group()
def grafana() -> None:
    """Provision Grafana 9.4 to 13; settings are WATTLINE_GRAFANA_... in the environment (docs/GRAFANA.md)."""


@grafana.command()
@click.option("--url", envvar="WATTLINE_GRAFANA_URL", show_envvar=True, required=True, help="Where Grafana is.")
@click.option(
    "--token",
    envvar="WATTLINE_GRAFANA_TOKEN",
    show_envvar=True,
    help="A service account's token; as an argument `ps` shows it.",
)
@click.option(
    "--token-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file that holds the token."
)
@click.option("--dry-run", is_flag=True, help="Show what would change and change nothing.")
@click.option("--no-alerts", is_flag=True, help="Leave alert rules, contact points and routes alone.")
@click.option("--policies", is_flag=True, help="Put Wattline's route into the tree of notification policies, too.")
@click.option("--editable", is_flag=True, help="Let people edit new rules and contact points in Grafana too.")
@click.option("--set-password", is_flag=True, help="Set the data source's password, which Grafana never shows, anew.")
def provision(
    url: str,
    token: str | None,
    token_file: Path | None,
    dry_run: bool,
    no_alerts: bool,
    policies: bool,
    editable: bool,
    set_password: bool,
) -> None:
    """Bring folder, data source, dashboards and alerts up to date; run it again at will."""
    secret = (token or (token_file.read_text("utf-8", "replace") if token_file else "")).strip()
    if not secret:
        raise click.UsageError("give --token, --token-file or WATTLINE_GRAFANA_TOKEN: a service account's token")
    settings = _settings()
    try:
        with Grafana(url, secret) as found:
            provisioner = Provisioner(
                found, settings, dry=dry_run, alerts=not no_alerts, policies=policies, editable=editable,
                set_password=set_password,
            )  # fmt: skip
            try:
                provisioner.run()
            except PermanentError as error:
                _show(provisioner.changes, dry=dry_run)
                rest = "\nRun it again when that is mended: it goes on from there." if provisioner.changes else ""
                raise click.ClickException(f"{error}{rest}") from error
            _show(provisioner.changes, dry=dry_run)
    except PermanentError as error:
        raise click.ClickException(str(error)) from error


@grafana.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--policies", is_flag=True, help="With a tree of notification policies, which replaces Grafana's whole.")
def write(folder: Path, policies: bool) -> None:
    """Write what Grafana loads from files into FOLDER, by the settings: dashboards/ and provisioning/."""
    write_command(folder, _settings(), policies=policies)


def _settings() -> GrafanaSettings:
    try:
        return read(GrafanaSettings)
    except PermanentError as error:
        raise click.ClickException(str(error)) from error


def _show(changes: list[Change], *, dry: bool) -> None:
    if not changes:
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("what", "name", "would be" if dry else "was", "because of"):
        table.add_column(heading)
    for change in changes:
        color = _COLORS[change.action]
        table.add_row(change.kind, change.name, f"[{color}]{change.action}[/]", change.detail)
    Console(width=None if Console().is_terminal else 160).print(table)
    touched = sum(change.writes for change in changes)
    would = "would change" if dry else "changed"
    click.echo(f"{touched} of {len(changes)} {would}" if touched else "nothing to do: Grafana is up to date")
