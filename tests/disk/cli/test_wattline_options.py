"""`wattline`: where --url and --token may stand, and completion."""

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner, Result

from cli.__main__ import main
from cli.commands import ASKING, COMMANDS

NOBODY = "http://127.0.0.1:9"
OTHER = "http://127.0.0.1:7"
SERVICES = ("gateway", "ingestor", "intake.hooks", "outlet", "device")
LISTS = (
    ["config", "get", "pi-1"], ["config", "group", "list"], ["config", "stages"], ["point", "list"], ["spec", "list"],
    ["spec", "unknown"], ["spec", "rollouts"], ["job", "list"], ["token", "list"], ["user", "list"], ["claim", "list"],
    ["source", "list"],
    ["enrol", "list"], ["device", "list"],
    ["device", "command", "pi-1", "ping"],
)  # fmt: skip


def run(*words: str, **environment: str) -> Result:
    """The command in this process."""
    return CliRunner().invoke(main, words, env={"WATTLINE_URL": None, "WATTLINE_TOKEN": None, **environment})


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_url_and_token_stand_anywhere(words: list[str]) -> None:
    """Before the group, behind it and at the end; what stands last counts, and the environment least."""
    group, rest = words[:1], words[1:]
    options = ["--url", NOBODY, "--token", "x"]
    orders = [[*options, *words], [*group, *options, *rest], [*words, *options], ["--url", OTHER, *words, *options]]
    for order in (*orders, ["--url", OTHER, *group, *options, *rest], [*group, "--url", OTHER, *rest, *options]):
        result = run(*order, WATTLINE_URL=OTHER)
        assert result.exit_code == 1, result.output
        assert f"no gateway answers at {NOBODY}" in result.output, order
    bad = run(*words, "--url", "nonsense")
    assert bad.exit_code == 2
    assert "--url" in bad.output


def test_every_command_that_asks_a_gateway_takes_them() -> None:
    """No subcommand of these groups is forgotten."""
    context = click.Context(main)

    def leaves(command: click.Command) -> list[click.Command]:
        inner = command.commands.values() if isinstance(command, click.Group) else ()
        return [command, *(leaf for one in inner for leaf in leaves(one))]

    for name in ASKING:
        command = main.get_command(context, name)
        assert command is not None
        for leaf in leaves(command):
            assert {"url", "token"} <= {param.name for param in leaf.params}, f"{name} {leaf.name}"


def test_elsewhere_they_are_refused() -> None:
    """A command that asks no gateway says so instead of ignoring them."""
    result = run("--token", "x", "decode")
    assert result.exit_code == 2
    assert "commands that ask a gateway" in result.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_and_told(shell: str) -> None:
    """A script of the shell, and in the help where it belongs."""
    script = run("completion", shell)
    assert script.exit_code == 0
    assert "_WATTLINE_COMPLETE" in script.output
    assert f"wattline completion {shell} >" in run("completion", "--help").output


def test_a_shell_completes_commands_without_importing_them() -> None:
    """Names come at once, also of commands whose libraries a device has not."""
    words = {"_WATTLINE_COMPLETE": "bash_complete", "COMP_WORDS": "wattline ", "COMP_CWORD": "1"}
    code = "import sys; from cli.__main__ import main; sys.modules['aiohttp'] = None; main(prog_name='wattline')"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **words}, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert {line.removeprefix("plain,") for line in done.stdout.splitlines()} >= set(COMMANDS), done.stderr


def test_help_and_settings_are_answered_without_the_service() -> None:
    """Neither a service nor its libraries are loaded before its settings are read, which takes a second or two."""
    code = "import sys, importlib; [importlib.import_module(f'{name}.__main__') for name in sys.argv[1:]]; "
    code += "print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", code, *SERVICES], capture_output=True, text=True, check=False, timeout=60
    )
    loaded = set(done.stdout.split())
    assert loaded >= {f"{name}.settings" for name in SERVICES}, done.stderr
    assert not loaded & {f"{name}.service" for name in SERVICES}
    assert not loaded & {"aiohttp", "jinja2", "pgqueuer", "pyarrow", "serial", "uvloop", "paho.mqtt.client"}
