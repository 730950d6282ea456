"""What the commands of `wattline config` share: whose parameters, who changes them, and the way to the gateway."""

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import click

from broker.runtime.options import FiniteRange
from cli.client.http import RequestRefusedError, ServiceUnreachableError
from cli.client.parameters import ParameterClient, Target

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
WAIT_S = 300.0


def login() -> str:
    """Who types this, for the history."""
    try:
        return getpass.getuser()[:64]
    except (KeyError, OSError):
        return "cli"


class WaitTime(FiniteRange):
    """Seconds that may be left out, so that whatever stands behind the option is taken for them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the number; says how to leave it out."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            told = f"{value!r} is no number of seconds from 0 to {self.max:g}; put --wait last to leave them out"
            self.fail(told, param, ctx)


fleet_option = click.option("--fleet", is_flag=True, help="The whole fleet instead of one device.")
group_option = click.option("--group", metavar="NAME", help="A group instead of one device.")
json_option = click.option("--json", "as_json", is_flag=True, help="JSON in place of a table or a sentence.")
wait_option = click.option(
    "--wait", "wait_s", type=WaitTime(0, 3600), is_flag=False, flag_value=WAIT_S, default=0.0,
    help="Wait until readings confirm it, for so many seconds (300 where none are given). Exit status 3: refused or "
    "not reported, 4: reverted, 5: still not confirmed.",
)  # fmt: skip
author_option = click.option(
    "--author", default=login, help="For whom, beside your token's name; by default your login."
)
reason_option = click.option("--reason", help="Why, for the history.")


def who(author: str, reason: str | None) -> dict[str, str]:
    """Author and reason as the API takes them."""
    return {"author": author} | ({"reason": reason} if reason else {})


def once(kind: str, names: Sequence[str]) -> None:
    """Refuse a name that is given twice, where which value counts could only be guessed. Raises UsageError."""
    for name in names:
        if names.count(name) > 1:
            raise click.UsageError(f"{kind} {name} is given {names.count(name)} times: give it once")


def target_of(device: str | None, group: str | None, *, fleet: bool) -> Target:
    """Exactly one of the three. Raises UsageError."""
    if fleet and group is not None:
        raise click.UsageError("give --group or --fleet, not both")
    if device is not None and (fleet or group is not None):
        raise click.UsageError(f"give DEVICE or {'--fleet' if fleet else '--group'}, not both")
    if device is None and not fleet and group is None:
        raise click.UsageError("name a DEVICE, or say --fleet or --group NAME")
    return Target(device, group)


def ask(client: ParameterClient, call: Callable[[ParameterClient], Awaitable[T]]) -> T:
    """Do it at the gateway; its refusals and its absence become sentences."""

    async def asking() -> T:
        async with client as api:
            return await call(api)

    try:
        return asyncio.run(asking())
    except RequestRefusedError as error:
        raise click.ClickException("\n".join(error.lines) or error.detail) from error
    except ServiceUnreachableError as error:
        raise click.ClickException(str(error)) from error
