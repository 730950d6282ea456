"""What the commands of `wattline spec` share: options, references, and the way to the gateway."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import click

from cli.client.http import ConfigClient, RequestRefusedError, ServiceUnreachableError
from cli.options import login as _user
from cli.tables import print_change
from gateway.specs.rollouts.models import Limits
from gateway.wording import typed_pair

C = TypeVar("C", bound=ConfigClient)
T = TypeVar("T")
as_json_option = click.option("--json", "as_json", is_flag=True, help="JSON in place of a table.")
author_option = click.option(
    "--author", default=_user, help="For whom, beside your token's name; by default your login."
)
reason_option = click.option("--reason", help="Why, for the history.")


class Ref(click.ParamType[tuple[str, int]]):
    """`name@version` on the command line."""

    name = "name@version"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Take it apart."""
        name, at, version = str(value).partition("@")
        if not (name and at and version.isdecimal() and version.isascii() and "/" not in name):
            self.fail(f"{value!r} is no spec; write name@version, for example lgz-e350@1", param, ctx)
        return name, int(version)


class Limit(click.ParamType[tuple[str, str]]):
    """`name=value` of a limit by which a canary is judged."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Take it apart; the gateway judges the value."""
        name, equals, text = str(value).partition("=")
        if not equals or name not in Limits.model_fields:
            self.fail(
                f"{value!r} is no limit; write NAME=NUMBER with one of {', '.join(Limits.model_fields)}", param, ctx
            )
        return name, text


limit_option = click.option("--limit", "limits", type=Limit(), multiple=True,
                            help="Judge this canary otherwise, as window_s=600; repeatable.")  # fmt: skip
canary_option = click.option("--canary", metavar="AUDIENCE",
                             help="For a part of the fleet first: pi-1,pi-2 or site=warsaw or 10%.")  # fmt: skip


def document_of(pairs: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE pairs as a document, which the gateway judges. Raises BadParameter."""
    try:
        return dict(typed_pair(one) for one in pairs)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def told(document: dict[str, Any], *, as_json: bool) -> None:
    """What a change did, for a program or a person."""
    if as_json:
        click.echo(json.dumps(document))
    else:
        print_change(document)


def ask(client: C, call: Callable[[C], Awaitable[T]]) -> T:
    """Do it at the gateway."""

    async def asking() -> T:
        async with client as api:
            return await call(api)

    return answered(asking())


def answered(asking: Coroutine[Any, Any, T]) -> T:
    """What the gateway answers; its refusals and its absence become sentences."""
    try:
        return asyncio.run(asking)
    except RequestRefusedError as error:
        raise click.ClickException(error.told) from error
    except ServiceUnreachableError as error:
        raise click.ClickException(str(error)) from error
