"""Commands of `wattline` as a person types them, against a gateway that runs in the same process."""

import asyncio

import click
from click.testing import CliRunner, Result

from tests.rigs.gateway import Gateway


async def typed(
    running: Gateway | str, command: click.Command, *words: str, text: str | None = None, **environment: str
) -> Result:
    """Run a command in a thread of its own, as it brings its own event loop; `text` is its standard input."""
    url = running if isinstance(running, str) else running.url
    return await asyncio.to_thread(
        CliRunner().invoke, command, ["--url", url, *words], input=text, env=environment or None
    )
