"""A forked process is what an executed one is, to itself and to who started it (tests/rigs/forking.py)."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.rigs.forking import DEVNULL, PIPE, ROOT, STDOUT, Forked, Process, forkable, start
from tests.rigs.waiting import until

EXECUTED = {"PYTHONNODEBUGRANGES": "1"}
"""What acts when an interpreter starts, so that a process that is given it is executed."""
FACTS = """
import json, os, random, signal, sys, threading
import sibling
facts = {
    "arguments": sys.argv, "path": sys.path[0], "name": __name__, "file": __file__, "spec": __spec__.name,
    "main": sys.modules["__main__"].__dict__ is globals(), "package": __package__,
    "folder": os.getcwd(), "environment": dict(os.environ), "files": len(os.listdir("/proc/self/fd")) - 1,
    "led": os.getsid(0) == os.getpid(), "threads": threading.active_count(), "at_c": os.popen("echo $GIVEN").read(),
    "signals": {n: str(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD)},
    "blocked": [int(n) for n in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
    "terminals": [one.isatty() for one in (sys.stdin, sys.stdout, sys.stderr)],
    "encodings": [(one.encoding, one.errors, one.line_buffering) for one in (sys.stdin, sys.stdout, sys.stderr)],
    "executable": sys.executable, "flags": str(sys.flags), "umask": os.umask(0),
}
print(json.dumps(facts))
"""
ENDS = """
import atexit, signal, sys, threading, time
atexit.register(lambda: print("at exit", flush=True))
how = sys.argv[1]
threading.Thread(target=lambda: (time.sleep(0.05), print("thread"))).start()
if how == "sentence":
    sys.exit("a sentence")
if how == "fault":
    raise ValueError("a fault")
if how == "none":
    sys.exit()
if how.isdigit():
    sys.exit(int(how))
print("waits", flush=True)
signal.pause()
"""
OWNER = """
import asyncio, sys
from pathlib import Path
from tests.rigs.forking import start
async def main():
    process = await start("waits", cwd=Path(sys.argv[1]))
    print(process.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


async def started(folder: Path, program: str, *arguments: str, executed: bool = False, **files: Any) -> Process:
    """A program, by its text."""
    (folder / "program.py").write_text(program)
    (folder / "sibling.py").write_text("")
    process = await start(
        "program", *arguments, cwd=folder, env={**os.environ, "GIVEN": "ü", **(EXECUTED if executed else {})}, **files
    )
    assert isinstance(process, Forked) is not executed
    return process


@pytest.mark.parametrize("led", [False, True])
async def test_a_forked_process_is_what_an_executed_one_is(tmp_path: Path, led: bool) -> None:
    """Arguments, folder, environment, files, signals and its main module: it can't tell."""
    seen = []
    for executed in (True, False):
        process = await started(
            tmp_path, FACTS, "-x", "ü", executed=executed, stdin=DEVNULL, stdout=PIPE, stderr=PIPE,
            start_new_session=led,
        )  # fmt: skip
        out, err = await process.communicate()
        assert (process.returncode, err) == (0, b"")
        facts = json.loads(out)
        for name in EXECUTED:
            facts["environment"].pop(name, None)
        seen.append(facts)
    assert seen[0] == seen[1]
    assert seen[1]["led"] is led


@pytest.mark.parametrize("how", ["none", "0", "3", "sentence", "fault"])
async def test_it_ends_as_an_executed_one(tmp_path: Path, how: str) -> None:
    """Its status, its last words, its threads waited for, `atexit` obeyed."""
    ends = []
    for executed in (True, False):
        process = await started(tmp_path, ENDS, how, executed=executed, stdout=PIPE, stderr=PIPE)
        out, err = await process.communicate()
        ends.append((process.returncode, out, err.splitlines()[-1:]))
    assert ends[0] == ends[1]
    assert ends[1][1] == b"thread\nat exit\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_a_signal_reaches_it_and_is_its_status(tmp_path: Path, number: signal.Signals) -> None:
    """The process itself is hit, and its status is the signal's."""
    process = await started(tmp_path, ENDS, "pause", stdout=PIPE, stderr=DEVNULL)
    assert process.stdout is not None
    assert sorted([await process.stdout.readline(), await process.stdout.readline()]) == [b"thread\n", b"waits\n"]
    assert process.returncode is None
    process.send_signal(number)
    async with asyncio.timeout(60):
        assert await process.wait() == process.returncode == -number
    assert not psutil.pid_exists(process.pid)
    with pytest.raises(ProcessLookupError):
        process.kill()


async def test_it_takes_its_input_and_writes_into_a_file(tmp_path: Path) -> None:
    """Standard files are pipes or files, and one may be another's."""
    program = "import sys; print(sys.stdin.read()); print('error', file=sys.stderr)"
    with (tmp_path / "log").open("wb") as log:
        process = await started(tmp_path, program, stdin=PIPE, stdout=log, stderr=STDOUT)
    assert await process.communicate(b"given") == (b"", b"")
    assert sorted((tmp_path / "log").read_text().split()) == ["error", "given"]


async def test_two_draw_different_random_numbers(tmp_path: Path) -> None:
    """Each has a random state of its own, as client ids and jitter need it."""
    drawn = set()
    for _ in range(2):
        process = await started(tmp_path, "import random; print(random.random())", stdout=PIPE)
        drawn.add((await process.communicate())[0])
    assert len(drawn) == 2


async def test_what_it_opens_stays_open(tmp_path: Path) -> None:
    """Nothing that the server had open is closed late, in place of what has its number by then."""
    program = """
import gc, os
opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(50)]
gc.collect()
print(sum(os.fstat(one).st_rdev == os.stat(os.devnull).st_rdev for one in opened))
"""
    process = await started(tmp_path, program, stdout=PIPE)
    assert (await process.communicate(), process.returncode) == ((b"50\n", b""), 0)


async def test_it_dies_with_who_started_it_and_the_server_with_the_last(tmp_path: Path) -> None:
    """A killed run of the tests leaves nothing behind."""
    (tmp_path / "waits.py").write_text("import signal; signal.pause()")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_XDIST", "TESTS_FORK"))}
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, str(tmp_path), cwd=ROOT, env=kept, stdout=PIPE
    )
    assert owner.stdout is not None
    process = psutil.Process(int(await owner.stdout.readline()))
    server = process.parent()
    assert server is not None
    assert "tests.rigs.fork_server" in server.cmdline()
    owner.kill()
    await owner.wait()
    await until(lambda: not process.is_running(), "the process is gone")
    await until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE, "its server is gone")


def test_another_interpreter_s_settings_and_another_tree_are_executed(tmp_path: Path) -> None:
    """Where a fork would not be what was asked for."""
    given = dict(os.environ)
    assert forkable(ROOT, given | {"WATTLINE_GATEWAY_HTTP_PORT": "1"})
    assert forkable(tmp_path, given)
    for name in ("LD_PRELOAD", "PYTHONPATH", "SSL_CERT_FILE", "TZ"):
        assert not forkable(ROOT, given | {name: "other"})
    (tmp_path / "broker").mkdir()
    assert not forkable(tmp_path, given)
