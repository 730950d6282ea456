"""Software that is set back finds what a newer agent wrote: it works on, loses nothing of it, and says what it found.

What a newer agent writes is played by records with another mark and documents with another format; when that agent
comes back, by the same files with the mark that this one reads.
"""

import itertools
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from device.commands.journal import CommandJournal
from device.config.state_file import ConfigState, ConfigStateFile
from device.formats import NEWER, NewerFormatError
from device.outbox.outbox import Outbox
from device.outbox.record import MAGIC
from device.outbox.state import NAMES
from device.outbox.write_ahead import WriteAhead
from device.ports.memory import PortMemory
from device.sealed_file import read_either, unsealed, write_twice
from tests.rigs.outbox import events, fill, opened, waiting
from tests.rigs.write_ahead import left, sample
from tests.rigs.write_ahead import opened as opened_ahead

NEXT = MAGIC[:-1] + b"2"


def as_written_by_newer(folder: Path, pattern: str = "*.seg") -> None:
    """Have all segments be of the next format."""
    for path in folder.glob(pattern):
        path.write_bytes(path.read_bytes().replace(MAGIC, NEXT))


def newer_agent_is_back(folder: Path, pattern: str = f"*.seg{NEWER}") -> None:
    """The agent that reads what was kept for it starts."""
    for path in folder.glob(pattern):
        path.write_bytes(path.read_bytes().replace(NEXT, MAGIC))


def payloads(outbox: Outbox) -> list[bytes]:
    """What waits for the broker."""
    return [record.payload.rstrip(b" }") for record in outbox.read_after(0, 100_000)]


def test_segments_of_a_newer_agent_are_kept_and_sent_when_it_comes_back(tmp_path: Path) -> None:
    """Neither cut, nor sent, nor counted as lost; ours go beyond them, over restarts; then all of both are sent."""
    newer = opened(tmp_path)
    fill(newer, "aaaa", 1, 10)
    for index in range(1, 5):
        newer.acknowledge(index)
    newer.confirm("aaaa", 1, 2)
    newer.save_state()
    as_written_by_newer(tmp_path)
    kept = [path.read_bytes() for path in tmp_path.glob("*.seg")]

    older = opened(tmp_path)
    assert waiting(older) == []
    assert events(older) == {"outbox_of_newer_agent": 0}
    fill(older, "bbbb", 1, 3)
    older.save_state()
    older = opened(tmp_path)
    assert set(events(older)) == {"outbox_of_newer_agent"}
    fill(older, "cccc", 1, 2)
    older.save_state()
    assert len(payloads(older)) == 5
    assert min(waiting(older)) > 10
    assert [path.read_bytes() for path in tmp_path.glob(f"*.seg{NEWER}")] == kept

    newer_agent_is_back(tmp_path)
    back = opened(tmp_path)
    assert events(back) == {}
    sent = payloads(back)
    numbers = {(boot, seq) for boot, last in (("bbbb", 3), ("cccc", 2)) for seq in range(1, last + 1)}
    # its own state is back, too: what was confirmed is not sent again, what the broker had waits for its receipt
    numbers |= {("aaaa", seq) for seq in range(5, 11)}
    assert sorted(sent) == sorted(b'{"boot":"%s","seq":%d,' % (boot.encode(), seq) for boot, seq in numbers)
    assert back.unconfirmed == 2
    assert not list(tmp_path.glob(f"*{NEWER}"))


def test_a_newer_agent_s_segments_between_ours_are_no_loss(tmp_path: Path) -> None:
    """It ran between two runs of ours: what lies before and after is read whole, and nothing is told as lost."""
    first = opened(tmp_path)
    fill(first, "aaaa", 1, 5)
    first.save_state()
    second = opened(tmp_path)
    fill(second, "bbbb", 1, 5)
    second.save_state()
    (between,) = (path for path in tmp_path.glob("*.seg") if b"bbbb" in path.read_bytes())
    as_written_by_newer(tmp_path, between.name)
    older = opened(tmp_path)
    fill(older, "cccc", 1, 5)
    assert [payload[9:13] for payload in payloads(older)] == [b"aaaa"] * 5 + [b"cccc"] * 5
    assert set(events(older)) == {"outbox_of_newer_agent"}
    assert older.counts.damaged == 0


@pytest.mark.parametrize("when", ["segments", "states"])
def test_a_cut_while_things_are_set_aside_loses_nothing(tmp_path: Path, when: str) -> None:
    """Whatever was moved before the power went: in the end all is sent, some of it again."""
    newer = opened(tmp_path)
    fill(newer, "aaaa", 1, 10)
    newer.save_state()
    as_written_by_newer(tmp_path)
    if when == "segments":
        # moved, and the states were not yet
        for path in tmp_path.glob("*.seg"):
            path.rename(path.with_name(path.name + NEWER))
    else:
        opened(tmp_path).save_state()
        # back, and only the states were moved
        for name in NAMES:
            (tmp_path / name).unlink(missing_ok=True)
            if (tmp_path / f"{name}{NEWER}").exists():
                (tmp_path / f"{name}{NEWER}").rename(tmp_path / name)
    if when == "segments":
        fill(opened(tmp_path), "bbbb", 1, 2)
    newer_agent_is_back(tmp_path)
    assert {payload for payload in payloads(opened(tmp_path)) if b"aaaa" in payload} == {
        b'{"boot":"aaaa","seq":%d,' % seq for seq in range(1, 11)
    }


class Killed(BaseException):
    """The power is gone."""


@contextmanager
def cut_at(number: int) -> Iterator[None]:
    """The power goes before the so-manieth call that changes the disk."""
    count = itertools.count(1)
    places = ((Path, "replace"), (Path, "rename"), (Path, "unlink"), (os, "fsync"), (os, "truncate"))
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in places:
            original = getattr(owner, name)

            def call(*arguments: Any, original: Any = original, **more: Any) -> Any:
                if next(count) == number:
                    raise Killed
                return original(*arguments, **more)

            patch.setattr(owner, name, call)
        yield


def has_cut(folder: Path, number: int) -> bool:
    """Start, and have the power go in the middle; whether there was so much to do."""
    try:
        with cut_at(number):
            opened(folder)
    except Killed:
        return True
    return False


def two_segments_of_newer(folder: Path) -> None:
    """Twelve messages: two are confirmed, two more are the broker's."""
    newer = opened(folder)
    fill(newer, "aaaa", 1, 6)
    newer.save_state()
    newer = opened(folder)
    fill(newer, "aaaa", 7, 12)
    for index in range(1, 5):
        newer.acknowledge(index)
    newer.confirm("aaaa", 1, 2)
    newer.save_state()
    as_written_by_newer(folder)


@pytest.mark.parametrize("cut_in", ["set back", "come back", "set back and come back at once"])
def test_a_cut_before_any_change_of_the_disk_ends_as_none_would(tmp_path: Path, cut_in: str) -> None:
    """The newer agent's state is its own again: nothing of it is lost, sent again, or told as lost."""
    number, cut = 0, True
    while cut:
        number += 1
        folder = tmp_path / str(number)
        two_segments_of_newer(folder)
        cut = cut_in != "come back" and has_cut(folder, number)
        ours = 0 if "at once" in cut_in else 3
        if ours:
            older = opened(folder)
            assert waiting(older) == []
            fill(older, "bbbb", 1, ours)
            older.save_state()
        newer_agent_is_back(folder, "*.seg*")
        cut = cut or (cut_in == "come back" and has_cut(folder, number))
        back = opened(folder)
        assert [payload[9:13] for payload in payloads(back)] == [b"aaaa"] * 8 + [b"bbbb"] * ours, number
        assert back.unconfirmed == 2, number
        # a half-written file of the state that the cut left is told, with no message lost by it
        assert (sum(events(back).values()), back.counts.damaged) == (0, 0), number
        assert not list(folder.glob(f"*{NEWER}*"))
    assert number > 6


def test_set_back_by_two_versions_one_after_the_other_loses_nothing(tmp_path: Path) -> None:
    """For the one in the middle the newest one's messages are done with: its state is not taken for that one's."""
    fill(newest := opened(tmp_path), "aaaa", 1, 4)
    newest.save_state()
    as_written_by_newer(tmp_path)
    fill(middle := opened(tmp_path), "bbbb", 1, 4)
    middle.save_state()
    as_written_by_newer(tmp_path)
    fill(oldest := opened(tmp_path), "cccc", 1, 4)
    oldest.save_state()
    newer_agent_is_back(tmp_path)
    assert [payload[9:13] for payload in payloads(opened(tmp_path))] == [b"aaaa"] * 4 + [b"bbbb"] * 4 + [b"cccc"] * 4


def test_a_state_of_a_newer_format_gives_way(tmp_path: Path) -> None:
    """Everything is sent again; it is gone, for its turn would count one day over what was done since."""
    newer = opened(tmp_path)
    fill(newer, "aaaa", 1, 4)
    newer.acknowledge(1)
    newer.save_state()
    for name in NAMES:
        document = {"format": 2, **json.loads(unsealed((tmp_path / name).read_bytes()))}
        write_twice(tmp_path / name, json.dumps(document).encode())
        (tmp_path / f"{name}.copy").unlink()
    older = opened(tmp_path)
    assert waiting(older) == [1, 2, 3, 4]
    older.save_state()
    assert not list(tmp_path.glob(f"*{NEWER}*"))
    assert b'"format":2' not in b"".join(path.read_bytes() for path in tmp_path.glob("state-*"))


def test_what_a_newer_agent_had_gathered_is_kept_for_it(tmp_path: Path) -> None:
    """Set back twice, and ours gathers, too: all of all three is sent, and is gone once the outbox is on the disk."""
    for first in (0, 3):
        ahead = opened_ahead(tmp_path)
        for number in range(first, first + 3):
            ahead.keep(sample(number))
        ahead.close()
        as_written_by_newer(tmp_path, "*.ahead")
        older = opened_ahead(tmp_path)
        assert older.take_left() == []
        assert [notice.event for notice in older.take_notices()] == ["outbox_of_newer_agent"]
        assert older.damaged_bytes == 0
        older.close()
    older = opened_ahead(tmp_path)
    older.keep(sample(6))
    older.close()
    newer_agent_is_back(tmp_path, f"*.ahead{NEWER}*")
    assert left(tmp_path) == [sample(number) for number in range(7)]
    outbox = opened(tmp_path / "outbox")
    back = WriteAhead(tmp_path, outbox)
    back.open()
    assert len(back.take_left()) == 7
    assert left(tmp_path) == [sample(number) for number in range(7)]
    back.sent()
    back.empty()
    assert left(tmp_path) == []
    assert not list(tmp_path.glob(f"*{NEWER}*"))


def test_what_was_kept_alone_goes_once_and_the_next_set_back_finds_room(tmp_path: Path) -> None:
    """Ours gathered nothing: the agent that is back has its own, sends it, and syncs as it does each second."""
    ahead = opened_ahead(tmp_path)
    ahead.keep(sample(1))
    ahead.sent()
    ahead.keep(sample(2))
    ahead.close()
    as_written_by_newer(tmp_path, "*.ahead")
    opened_ahead(tmp_path).close()
    newer_agent_is_back(tmp_path, f"*.ahead{NEWER}")
    back = WriteAhead(tmp_path, opened(tmp_path / "outbox"))
    back.open()
    # in the outbox or not: nothing bears out how far that had got
    assert back.take_left() == [sample(1), sample(2)]
    assert not back.has_sent()
    back.sent()
    assert back.has_sent()
    back.empty()
    assert left(tmp_path) == []
    assert not list(tmp_path.glob(f"*{NEWER}*"))


def test_small_files_of_a_newer_agent_are_set_aside_and_told(tmp_path: Path) -> None:
    """Configuration, ports, commands: each as on a first start, with what was found, and the file kept."""
    files = {name: tmp_path / name for name in ("desired.json", "ports.json", "commands.json")}
    for path in files.values():
        write_twice(path, b'{"format":2,"layout":"another"}')
    config, ports, commands = (
        ConfigStateFile(files["desired.json"]), PortMemory(files["ports.json"]), CommandJournal(files["commands.json"])
    )  # fmt: skip
    assert config.load() == ConfigState()
    ports.load()
    assert commands.load() == {}
    for one in (config, ports, commands):
        assert "of format 2, this agent knows 1" in one.damage
    for path in files.values():
        assert b"another" in path.with_name(path.name + NEWER).read_bytes()
        assert not path.exists()
    config.save(ConfigState())
    assert config.load() == ConfigState()
    write_twice(files["ports.json"], b'{"format":1,"ok":true}')
    assert json.loads(read_either(files["ports.json"]).data)["ok"] is True
    write_twice(files["ports.json"], b'{"format":3}')
    with pytest.raises(NewerFormatError):
        read_either(files["ports.json"])
