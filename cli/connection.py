"""`--url` and `--token`: where the gateway is and how to be let in, taken before and after every subcommand."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource
from yarl import URL

from cli.client.http import ConfigClient

F = TypeVar("F", bound=Callable[..., Any])
DEFAULT_URL: Final = "http://127.0.0.1:8080"
URL_HELP: Final = "Where the gateway serves its API."
TOKEN_HELP: Final = "The API's bearer token; as an argument `ps` shows it, in WATTLINE_TOKEN not."  # noqa: S105 - no secret
_SAID: Final = "wattline.api.{}"


def api_options(url_help: str = URL_HELP, token_help: str = TOKEN_HELP) -> Callable[[F], F]:
    """The arguments `url` and `token` of a group, or of a command that has none above it but `wattline` itself."""

    def decorate(command: F) -> F:
        url = click.option(
            "--url", envvar="WATTLINE_URL", default=DEFAULT_URL, show_default=True, show_envvar=True, callback=_first,
            help=url_help,
        )  # fmt: skip
        token = click.option("--token", envvar="WATTLINE_TOKEN", show_envvar=True, callback=_first, help=token_help)
        return url(token(command))

    return decorate


def anywhere(group: click.Group) -> click.Group:
    """Give all commands of a group, also of groups in it, both options: what stands last on the line counts."""
    for command in group.commands.values():
        command.params += [
            click.Option(["--url"], expose_value=False, callback=_last, help=URL_HELP),
            click.Option(["--token"], expose_value=False, callback=_last, help=TOKEN_HELP),
        ]
        if isinstance(command, click.Group):
            anywhere(command)
    return group


def note(ctx: click.Context, name: str, value: str | None) -> None:
    """Note what was said on the command line before any subcommand."""
    if value is not None:
        ctx.meta[_SAID.format(name)] = value


def _first(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """What was said before the group counts, unless the group was told otherwise; the environment comes last."""
    name = str(param.name)
    if ctx.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
        value = ctx.meta.get(_SAID.format(name), value)
    return checked_url(value) if name == "url" and value is not None else value


def _last(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    client = ctx.find_object(ConfigClient)
    if value is None or client is None:
        return
    if param.name == "url":
        client.point_at(url=checked_url(value))
    else:
        client.point_at(token=value)


def checked_url(value: str) -> str:
    """An address of a gateway. Raises BadParameter."""
    try:
        url = URL(value)
        good = url.scheme in ("http", "https") and bool(url.host) and url.port is not None and 1 <= url.port <= 65535
    except ValueError:
        good = False
    if not good:
        raise click.BadParameter(f"{value!r} is no address; write http://host:port with a port from 1 to 65535")
    return value
