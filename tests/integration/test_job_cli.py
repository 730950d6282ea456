"""`wattline job` and `wattline spec redecode`: tables and a bar for people, JSON for programs, mistakes in words."""

import json

import click

from cli.jobs import job
from cli.specs.command import spec
from deploy.local.process import free_port
from tests.rigs.cli import typed
from tests.rigs.gateway import gateway, gateway_settings
from tests.rigs.redecoding import add_meter, add_spec, keep, pushes, worker_settings, working
from tests.rigs.servers import Broker, Database
from tests.rigs.specs import KEY


async def test_a_job_from_the_command_line(broker: Broker, database: Database) -> None:
    """Queue, list, watch to the end, show; a job that is cancelled ends the watch with status 1."""
    await add_meter(database)
    await keep(database, pushes(120))
    ref = (await add_spec(database)).ref
    async with gateway(gateway_settings(broker, database)) as running:
        assert (await typed(running, job, "list")).output == "no jobs\n"
        queued = await typed(running, spec, "redecode", ref, "--meter", KEY, "--author", "eva", "--reason", "a look")
        assert queued.exit_code == 0, queued.output
        assert "0 of ? frames" in queued.output
        (line,) = [line.split() for line in (await typed(running, job, "list")).output.splitlines() if ref in line]
        assert line[:4] == ["1", "redecode", "queued", ref]
        async with working(worker_settings(database)):
            watched = await typed(running, job, "watch", "1")
        assert watched.exit_code == 0, watched.output
        assert "████████████████████ 100 %  120 of 120 frames, 240 readings" in watched.output
        shown = json.loads((await typed(running, job, "show", "1", "--json")).output)
        assert (shown["state"], shown["author"], shown["reason"]) == ("done", "local (for eva)", "a look")
        later = await typed(running, spec, "redecode", ref, "--meter", KEY, "--since", "2026-11-20", "--json")
        assert json.loads(later.output.splitlines()[-1])["since"] == "2026-11-20T00:00:00Z"
        cancelled = await typed(running, job, "cancel", "2", "--author", "eva")
        assert (cancelled.exit_code, "cancelled by local (for eva)" in cancelled.output) == (0, True)
        watched = await typed(running, job, "watch", "2", "--json")
        assert (watched.exit_code, json.loads(watched.output.splitlines()[-1])["state"]) == (1, "cancelled")
        again = await typed(running, job, "retry", "2", "--reason", "after all", "--json")
        assert (again.exit_code, json.loads(again.output)["state"]) == (0, "queued"), again.output
        async with working(worker_settings(database)):
            assert (await typed(running, job, "watch", "2")).exit_code == 0
        assert (await typed(running, job, "cancel", "2")).exit_code == 1
        found = json.loads((await typed(running, job, "list", "--state", "done", "--json")).output)
        assert [one["job"] for one in found] == [2, 1]


async def test_any_kind_is_asked_for_by_name_and_arguments(broker: Broker, database: Database) -> None:
    """`job kinds` says which there are; what does not fit names the argument and the fix."""
    async with gateway(gateway_settings(broker, database)) as running:
        kinds = (await typed(running, job, "kinds")).output
        assert "recompute" in kinds
        assert "meter=" in kinds
        words = ("run", "recompute", f"meter={KEY}", "since=2026-01-01T00:00:00Z", "until=2026-02-01T00:00:00Z")
        queued = await typed(running, job, *words, "--reason", "cleaned up", "--priority", "5", "--json")
        asked = json.loads(queued.output)
        assert (asked["kind"], asked["priority"], asked["arguments"]["meter"]) == ("recompute", 5, KEY)
        listed = json.loads((await typed(running, job, "list", "--kind", "recompute", "--json")).output)
        assert listed == [asked]
        told = {
            (*words[:3], "since=2026-03-01T00:00:00Z"): "arguments.until: is missing",
            (*words, "tilt=5"): "arguments.tilt: unknown field",
            (*words[:4], "until=2025-02-01T00:00:00Z"): "until is not after since",
            ("run", "redecode"): "'redecode' is no kind of jobs to ask for; known are: recompute",
            ("run", "recompute", "meter"): "write NAME=VALUE",
        }
        for given, sentence in told.items():
            refused = await typed(running, job, *given)
            assert refused.exit_code in (1, 2)
            assert sentence in refused.output, refused.output


async def test_mistakes_are_told_in_a_sentence(broker: Broker, database: Database) -> None:
    """Each mistake ends with what is wrong and what is wanted, never with a traceback."""
    async with gateway(gateway_settings(broker, database)) as running:
        told: dict[tuple[click.Command, *tuple[str, ...]], str] = {
            (job, "show", "7"): "no job '7'",
            (job, "show", "seven"): "not a valid integer",
            (job, "list", "--state", "lost"): "'queued'",
            (spec, "redecode", "nobody@1"): "no spec 'nobody@1'",
            (spec, "redecode", "generic-p1@1"): "no meter is read by generic-p1@1",
            (spec, "redecode", "generic-p1@1", "--since", "last week"): "2026-11-23T10:00:00Z",
        }
        for (command, *words), sentence in told.items():
            result = await typed(running, command, *words)
            assert result.exit_code in (1, 2), words
            assert sentence in result.output, (words, result.output)
    nowhere = await typed(f"http://127.0.0.1:{free_port()}", job, "list")
    assert (nowhere.exit_code, "no gateway answers" in nowhere.output) == (1, True)
