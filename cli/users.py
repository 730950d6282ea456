"""The commands `wattline user ...`: people who log in at the console by name and password."""

import json
import sys
from typing import IO, Any

import click

from cli.client.http import ConfigClient
from cli.connection import URL_HELP, anywhere, api_options
from cli.requests import ask
from cli.tables import console, shown, table
from gateway.roles import Role
from gateway.wording import when

_ROLES = click.Choice([str(one) for one in Role])
_password_option = click.option(
    "--password-file",
    type=click.File("r"),
    help="A file with the password, - for standard input; without it you are asked.",
)


class UserClient(ConfigClient):
    """Makes, lists, changes and removes users at one gateway; enter it with `async with`."""

    async def make(self, name: str, role: str, password: str) -> dict[str, Any]:
        """A new user."""
        return await self._call("POST", self._at("users"), {"name": name, "role": role, "password": password})

    async def users(self) -> list[dict[str, Any]]:
        """All users, over all pages."""
        found: list[dict[str, Any]] = []
        query = {"limit": "1000"}
        while True:
            page = await self._call("GET", self._at("users").with_query(query))
            found += page["items"]
            if page["next"] is None:
                return found
            query["cursor"] = page["next"]

    async def change(self, name: str, **values: str) -> dict[str, Any]:
        """The user as it is now."""
        return await self._call("PATCH", self._at("users", name), values)

    async def remove(self, name: str) -> dict[str, Any]:
        """The user as it was."""
        return await self._call("DELETE", self._at("users", name))


@click.group()
@api_options(URL_HELP, "A token with the role admin.")
@click.pass_context
def user(ctx: click.Context, url: str, token: str | None) -> None:
    """Make, list, change and remove people who log in at the console."""
    ctx.obj = UserClient(url, token)


@user.command("add")
@click.argument("name")
@click.option("--role", type=_ROLES, required=True, help="viewer reads, engineer changes, admin also makes users.")
@_password_option
@click.pass_obj
def add(client: UserClient, name: str, role: str, password_file: IO[str] | None) -> None:
    """Make the user NAME; the password is asked for twice, and only a hash of it is kept."""
    password = _password(password_file)
    ask(client, lambda _: client.make(name, role, password))
    click.echo(f"{name} may log in as {role}")


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="JSON in place of a table.")
@click.pass_obj
def list_(client: UserClient, as_json: bool) -> None:
    """Show all users."""
    found = ask(client, lambda _: client.users())
    if as_json:
        click.echo(json.dumps(found))
        return
    times = ("created_at", "changed_at", "last_login_at")
    made = table("name", "role", "author", *(name.removesuffix("_at").replace("_", " ") for name in times))
    for one in found:
        ends = (when(one[name], seconds=False) for name in times)
        made.add_row(*(shown(cell) for cell in (one["name"], one["role"], one["author"], *ends)))
    console().print(made if found else "no users")


@user.command("password")
@click.argument("name")
@_password_option
@click.pass_obj
def password(client: UserClient, name: str, password_file: IO[str] | None) -> None:
    """Give NAME another password; whoever is logged in as NAME is logged out."""
    secret = _password(password_file)
    ask(client, lambda _: client.change(name, password=secret))
    click.echo(f"{name} has a new password")


@user.command("role")
@click.argument("name")
@click.argument("role", type=_ROLES)
@click.pass_obj
def role(client: UserClient, name: str, role: str) -> None:
    """Give NAME another role; whoever is logged in as NAME is logged out."""
    ask(client, lambda _: client.change(name, role=role))
    click.echo(f"{name} may log in as {role}")


@user.command("remove")
@click.argument("name")
@click.pass_obj
def remove(client: UserClient, name: str) -> None:
    """Remove the user NAME, who is logged out everywhere within seconds."""
    ask(client, lambda _: client.remove(name))
    click.echo(f"{name} is removed")


def _first_line(file: IO[str]) -> str:
    try:
        line = file.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"can't read {file.name}: {error}", param_hint="--password-file") from error
    if not line:
        raise click.BadParameter(f"the first line of {file.name} is empty", param_hint="--password-file")
    return line


def _is_terminal() -> bool:
    """Whether a person can be asked without what is typed being shown."""
    try:
        with open("/dev/tty", "r+b", buffering=0):  # noqa: PTH123 - no file
            return True
    except OSError:
        return sys.stdin.isatty()


def _password(file: IO[str] | None) -> str:
    """What a file's first line says, or a person types twice."""
    if file is not None:
        return _first_line(file)
    if not _is_terminal():
        raise click.UsageError(
            "there is no terminal to ask for the password at: give --password-file FILE, or --password-file - and the "
            "password as the first line of standard input"
        )
    typed: str = click.prompt("Password", hide_input=True, confirmation_prompt="Again")
    return typed


anywhere(user)
