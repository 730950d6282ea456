"""`wattline broker config` and `add-user`: files that Mosquitto's own account can use."""

import os
import pwd
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from broker.cli import broker
from broker.mosquitto import ACL_FILE, CONFIG_FILE, PASSWORD_FILE


def typed(*words: str | Path) -> Result:
    """Run the command; an exception that is no clean end fails the test."""
    ended = CliRunner().invoke(broker, [str(word) for word in words])
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    return ended


@pytest.fixture
def account() -> pwd.struct_passwd:
    """An account that files can be given to: another one for root, else one's own."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def test_files_are_the_accounts(tmp_path: Path, account: pwd.struct_passwd) -> None:
    """Folder 0750, files 0640, all of the account that --owner names, after add-user too."""
    folder = tmp_path / "mosquitto"
    assert typed("config", "--folder", folder, "--owner", account.pw_name).exit_code == 0
    (folder / CONFIG_FILE).chmod(0o600)
    os.chown(folder / ACL_FILE, os.geteuid(), -1)
    added = typed("add-user", "--folder", folder, "--owner", account.pw_name, "pi-1")
    assert added.exit_code == 0
    assert len(added.stdout.splitlines()) == 1
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert stat.S_IMODE((folder / PASSWORD_FILE).stat().st_mode) == 0o640
    for path in (folder, *folder.iterdir()):
        assert path.stat().st_uid == account.pw_uid, path
    assert {path.name for path in folder.iterdir()} == {CONFIG_FILE, ACL_FILE, PASSWORD_FILE}


def test_passwords_outlast_another_config(tmp_path: Path) -> None:
    """Writing the configuration again lets everybody in who was; a user added twice stands there once."""
    typed("config", "--folder", tmp_path / "m")
    for user in ("pi-1", "pi-2", "pi-1"):
        typed("add-user", "--folder", tmp_path / "m", user)
    before = (tmp_path / "m" / PASSWORD_FILE).read_text()
    assert typed("config", "--folder", tmp_path / "m").exit_code == 0
    assert (tmp_path / "m" / PASSWORD_FILE).read_text() == before
    assert sorted(line.partition(":")[0] for line in before.splitlines()) == ["pi-1", "pi-2"]


def test_a_folder_with_other_things_keeps_its_mode(tmp_path: Path) -> None:
    """A folder that was not made for Mosquitto is not closed to those who use it."""
    (tmp_path / "other").touch()
    tmp_path.chmod(0o755)
    ended = typed("config", "--folder", tmp_path)
    assert "holds other files" in ended.output
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_what_to_do_next_is_said(tmp_path: Path) -> None:
    """How to start Mosquitto with these files, and the next users."""
    shown = typed("config", "--folder", tmp_path / "m").output
    assert f"mosquitto -c {tmp_path}/m/{CONFIG_FILE}" in shown
    assert "ExecStart=/usr/sbin/mosquitto -c" in shown
    for user in ("ingestor", "gateway", "DEVICE-ID"):
        assert f"wattline broker add-user --folder {tmp_path}/m {user}" in shown


def test_refusals_name_option_and_fix(tmp_path: Path) -> None:
    """A folder that can't be, an unknown account, an empty password file: a sentence each, and nothing written."""
    assert "/proc/xx" in typed("config", "--folder", "/proc/xx").output
    unknown = typed("config", "--folder", tmp_path / "m", "--owner", "no-such-account")
    assert "no-such-account" in unknown.output
    assert not (tmp_path / "m").exists()
    typed("config", "--folder", tmp_path / "m")
    (tmp_path / "empty").write_text("\n")
    refused = typed("add-user", "--folder", tmp_path / "m", "--password-file", tmp_path / "empty", "pi-1")
    assert refused.exit_code == 2
    assert "is empty" in refused.output
    assert (tmp_path / "m" / PASSWORD_FILE).read_text() == ""


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    """Mosquitto's account owns the folder, so root must not read or write through what lies there."""
    typed("config", "--folder", tmp_path / "m")
    victim = tmp_path / "victim"
    victim.write_text("mine")
    passwords = tmp_path / "m" / PASSWORD_FILE
    passwords.unlink()
    passwords.symlink_to(victim)
    assert str(passwords) in typed("add-user", "--folder", tmp_path / "m", "pi-1").output
    assert passwords.is_symlink()
    assert victim.read_text() == "mine"
