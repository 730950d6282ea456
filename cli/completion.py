"""`wattline completion`: what a shell needs to complete the command."""

import click
from click.shell_completion import get_completion_class

VARIABLE = "_WATTLINE_COMPLETE"
WHERE = {
    "bash": "wattline completion bash > ~/.local/share/bash-completion/completions/wattline",
    "zsh": "wattline completion zsh > ~/.zfunc/_wattline   (a folder of your fpath, before compinit)",
    "fish": "wattline completion fish > ~/.config/fish/completions/wattline.fish",
}


@click.command(epilog="\b\n" + "\n".join(WHERE.values()))
@click.argument("shell", type=click.Choice(list(WHERE)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL, to be put where the shell looks for it."""
    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"this version of click completes nothing in {shell}")
    click.echo(found(ctx.find_root().command, {}, "wattline", VARIABLE).source())
