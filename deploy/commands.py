"""What the tools of a publisher's desk share: how their commands end."""

from typing import Any

import click

from broker.errors import WattlineError


class Commands(click.Group):
    """A group whose commands end with one line for what a person can mend."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except WattlineError as error:
            raise click.ClickException(str(error)) from error
