"""`wattline broker config` and `add-user`: files that Mosquitto's own account can use."""

import json
import os
import pwd
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from broker.mosquitto.cli import broker
from broker.mosquitto.config import ADMIN_CERTIFICATE, ADMIN_FILE, CONFIG_FILE, LOGINS_FILE
from broker.mosquitto.dynamic_security import Document
from broker.mosquitto.files import PASSWORDS_BEFORE
from broker.mosquitto.passwords import hashed
from tests.rigs.certificates import Authority

CONFIG = ("config", "--host", "127.0.0.1", "--plugin", "/lib/plugin.so")
FILES = {CONFIG_FILE, LOGINS_FILE, ADMIN_FILE}


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
    assert typed(*CONFIG, "--folder", folder, "--owner", account.pw_name).exit_code == 0
    (folder / CONFIG_FILE).chmod(0o600)
    os.chown(folder / LOGINS_FILE, os.geteuid(), -1)
    added = typed("add-user", "--folder", folder, "--owner", account.pw_name, "pi-1")
    assert added.exit_code == 0
    assert len(added.stdout.splitlines()) == 1
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert stat.S_IMODE((folder / LOGINS_FILE).stat().st_mode) == 0o640
    for path in (folder, *folder.iterdir()):
        assert path.stat().st_uid == account.pw_uid, path
    assert {path.name for path in folder.iterdir()} == FILES


def logins(folder: Path) -> dict[str, dict[str, object]]:
    """Who may log in, as the plugin reads it."""
    tree = Document.parse((folder / LOGINS_FILE).read_text()).tree
    return {client["username"]: client for client in tree["clients"] if client["username"] != "wattline-admin"}


def test_logins_outlast_another_config(tmp_path: Path) -> None:
    """Writing the configuration again lets everybody in who was; a user added twice stands there once."""
    folder = tmp_path / "m"
    typed(*CONFIG, "--folder", folder)
    for user in ("pi-1", "pi-2", "pi-1"):
        typed("add-user", "--folder", folder, user)
    before, admin = logins(folder), (folder / ADMIN_FILE).read_text()
    assert typed(*CONFIG, "--folder", folder).exit_code == 0
    assert logins(folder) == before
    assert (folder / ADMIN_FILE).read_text() == admin
    assert sorted(before) == ["pi-1", "pi-2"]


def test_a_password_file_of_before_is_taken_over(tmp_path: Path) -> None:
    """Passwords go on to work, with the rights and the client ids of now; a removed login does not come back."""
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "acl").touch()
    words = {user: hashed(user) for user in ("pi-1", "gateway", "engineer")}
    lines = [f"{user}:$7${of.iterations}${of.salt}${of.key}\n" for user, of in words.items()]
    (folder / PASSWORDS_BEFORE).write_text("".join(lines))
    assert typed(*CONFIG, "--folder", folder, "--root", "acme/v1").exit_code == 0
    found = logins(folder)
    assert {user: of["password"] for user, of in found.items()} == {user: of.key for user, of in words.items()}
    assert {user: of.get("clientid") for user, of in found.items()} == {
        "pi-1": "pi-1", "gateway": None, "engineer": "engineer",
    }  # fmt: skip
    roles = Document.parse((folder / LOGINS_FILE).read_text()).roles
    assert any(grant.topic == "acme/v1/devices/pi-1/readings" for grant in roles["device:pi-1"])
    tree = Document.parse((folder / LOGINS_FILE).read_text()).tree
    tree["clients"] = [client for client in tree["clients"] if client["username"] != "pi-1"]
    (folder / LOGINS_FILE).write_text(Document(tree).text())
    typed(*CONFIG, "--folder", folder)
    assert "pi-1" not in logins(folder)


def test_a_user_has_the_topics_of_the_installation(tmp_path: Path) -> None:
    """add-user needs not be told the root again; a person's login is of a role, with its name as client id."""
    folder = tmp_path / "m"
    typed(*CONFIG, "--folder", folder, "--root", "acme/v1")
    typed("add-user", "--folder", folder, "pi-1~2")
    said = typed("add-user", "--folder", folder, "--role", "engineer", "wattline-anna")
    assert "engineer wattline-anna may log in once Mosquitto starts" in said.output
    # a device could enrol by it, and the broker knows a certificate by its name alone
    refused = typed("add-user", "--folder", folder, "--role", "engineer", "anna")
    assert refused.exit_code == 2
    assert "call it wattline-anna" in refused.output
    roles = Document.parse((folder / LOGINS_FILE).read_text()).roles
    assert {grant.topic for grant in roles["device:pi-1"] if "readings" in grant.topic} == {
        "acme/v1/devices/pi-1/readings"
    }
    assert logins(folder)["wattline-anna"]["clientid"] == "wattline-anna"
    refused = typed("add-user", "--folder", folder, "wattline-ingestor")
    assert refused.exit_code == 2
    assert "platform's own" in refused.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "give --certificate, --key and --authority, or --host 127.0.0.1, or --plaintext"),
        (("--host", "192.0.2.1"), "everybody on the way to 192.0.2.1"),
        (("--host", "127.0.0.1", "--services-host", "0.0.0.0"), "--services-host 127.0.0.1, or --plaintext"),
        (("--certificate", "c", "--key", "k"), "--authority together"),
        (("--plaintext", "--password-port", "8884"), "--password-port needs"),
        (("--plaintext", "--services-port", "1883"), "--services-port and --port are both 1883"),
        (("--host", "127.0.0.1", "--port", "1884"), "--services-port and --port are both 1884"),
    ],
)
def test_passwords_do_not_cross_a_network_in_the_open_unsaid(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    """Listening beyond this machine wants a certificate, or that a person says so; nothing is written before."""
    refused = typed("config", "--folder", tmp_path / "m", "--plugin", "/lib/plugin.so", *words)
    assert refused.exit_code == 2
    assert says in " ".join(refused.output.split())
    assert not (tmp_path / "m").exists()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Whose certificates are the broker's and the devices'."""
    return Authority(tmp_path / "tls")


def tls_of(of: Authority, **others: Path | str) -> tuple[str, ...]:
    """The options of TLS; `others` are given in place of the good ones."""
    pair = of.issue("broker")
    good = {"certificate": pair.certificate, "key": pair.key, "authority": of.certificate}
    return tuple(word for name, path in (good | others).items() for word in (f"--{name}", str(path)))


def test_what_mosquitto_would_not_start_by_is_refused(tmp_path: Path, authority: Authority) -> None:
    """Each with the option, what is wrong, and what to do; nothing is written before."""
    junk, sealed = tmp_path / "junk.pem", tmp_path / "sealed.key"
    junk.write_text("no certificate")
    form = BestAvailableEncryption(b"word")
    sealed.write_bytes(generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, form))
    good, other, stranger = tls_of(authority), authority.issue("other"), Authority(tmp_path / "stranger")
    for words, says in (
        (
            tls_of(authority, certificate=tmp_path / "none.pem"),
            ("--certificate", "none.pem can't be read: No such file"),
        ),
        (tls_of(authority, key=tmp_path / "none.key"), ("--key", "none.key can't be read: No such file")),
        (tls_of(authority, authority=tmp_path), ("--authority", "can't be read: Is a directory")),
        (tls_of(authority, certificate="broker.pem"), ("--certificate", f"give {Path.cwd() / 'broker.pem'}")),
        (tls_of(authority, key=other.key), ("--key", "other.key is not the key of", "that was made with it")),
        (tls_of(authority, certificate=junk), ("--key", "can't be used", "PEM certificate")),
        (tls_of(authority, key=sealed), ("--key", "can't be used", "in plain")),
        (tls_of(authority, authority=junk), ("--authority", "no certificate in PEM")),
        (
            tls_of(authority, authority=stranger.certificate),
            ("--authority", f"{stranger.certificate} has not signed {tmp_path}/tls/", "broker", "server-certificate"),
        ),
        ((*good, "--plaintext"), ("--plaintext", "give one of both")),
        ((*good, "--password-port", "8883"), ("--port and --password-port are both 8883",)),
        ((*good, "--password-port", "1884"), ("--services-port and --password-port are both 1884",)),
        ((*good, "--plugin", "plugin.so"), ("--plugin", "plugin.so is relative")),
    ):
        refused = typed("config", "--folder", tmp_path / "m", "--plugin", "/lib/plugin.so", *words)
        assert refused.exit_code == 2, (words, refused.output)
        assert all(part in " ".join(refused.output.split()) for part in says), refused.output
        assert not (tmp_path / "m").exists()
    elsewhere = (*good, "--host", "192.0.2.1", "--port", "1884")
    assert typed("config", "--folder", tmp_path / "m", "--plugin", "/lib/plugin.so", *elsewhere).exit_code == 0


def test_listeners_by_what_is_given(tmp_path: Path, authority: Authority) -> None:
    """Services apart from devices; with a certificate devices show theirs, on another port those with passwords."""
    files = tls_of(authority)
    for words, expected in (
        (("--plaintext",), ["1884 127.0.0.1", "1883 0.0.0.0"]),
        (("--host", "127.0.0.1", "--port", "1999"), ["1884 127.0.0.1", "1999 127.0.0.1"]),
        (files, ["1884 127.0.0.1", "8883 0.0.0.0"]),
        ((*files, "--password-port", "8884"), ["1884 127.0.0.1", "8883 0.0.0.0", "8884 0.0.0.0"]),
    ):
        typed("config", "--folder", tmp_path / "m", "--plugin", "/lib/plugin.so", *words)
        lines = (tmp_path / "m" / CONFIG_FILE).read_text().splitlines()
        assert [line.removeprefix("listener ") for line in lines if line.startswith("listener ")] == expected
        assert ("require_certificate true" in lines) == ("--certificate" in words)
        assert lines.count(f"certfile {files[1]}") == (len(expected) - 1 if "--certificate" in words else 0)


def test_services_by_certificates_of_an_authority_of_their_own(tmp_path: Path, authority: Authority) -> None:
    """Not of the devices'; our own certificate is there first; services are let in without a password."""
    files, folder = tls_of(authority), tmp_path / "m"
    services = Authority(tmp_path / "services", "Wattline services").certificate
    namesake = Authority(tmp_path / "namesake", authority.name).certificate
    config = ("config", "--folder", folder, "--plugin", "/lib/plugin.so")
    for words, says in (
        (("--host", "127.0.0.1", "--services-authority", services), "--services-authority needs --certificate"),
        ((*files, "--services-authority", "ca.pem"), f"give {Path.cwd() / 'ca.pem'}"),
        ((*files, "--services-authority", tmp_path / "none"), "none can't be used (No such file"),
        ((*files, "--services-authority", authority.certificate), "devices would come in as services"),
        ((*files, "--services-authority", namesake), 'init --organisation "Wattline services"'),
        ((*files, "--services-authority", services), f"--name wattline-admin --to {folder}"),
    ):
        refused = typed(*config, *words)
        assert refused.exit_code == 2, refused.output
        assert says in " ".join(refused.output.split())
        assert not folder.exists()
    folder.mkdir()
    (folder / ADMIN_CERTIFICATE).touch()
    done = typed(*config, *files, "--services-authority", services)
    assert done.exit_code == 0, done.output
    for user, how in (("gateway", " --by-certificate gateway"), ("monitor", " monitor")):
        assert f"add-user --folder {folder}{how}" in done.output, user
    of_services, of_devices = (folder / CONFIG_FILE).read_text().split("listener ")[1:]
    assert f"cafile {services}" in of_services
    assert ["use_username_as_clientid true" in each for each in (of_services, of_devices)] == [False, True]
    typed("add-user", "--folder", folder, "gateway")
    for user in ("ingestor", "gateway"):
        assert typed("add-user", "--folder", folder, "--by-certificate", user).stdout == ""
    document = json.loads((folder / LOGINS_FILE).read_text())
    assert {one["username"] for one in document["clients"] if "password" not in one} == {"ingestor", "gateway"}
    for words, says in (
        (("pi-1",), "by enrolment"),
        (("--role", "engineer", "wattline-anna"), "nobody holds wattline-anna to its client id"),
        (("--role", "monitor", "wattline-screen"), "give it a password"),
    ):
        refused = typed("add-user", "--folder", folder, "--by-certificate", *words)
        assert refused.exit_code == 2
        assert says in " ".join(refused.output.split())


def test_a_folder_with_other_things_keeps_its_mode(tmp_path: Path) -> None:
    """A folder that was not made for Mosquitto is not closed to those who use it."""
    (tmp_path / "other").touch()
    tmp_path.chmod(0o755)
    ended = typed(*CONFIG, "--folder", tmp_path)
    assert "holds other files" in ended.output
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_what_to_do_next_is_said(tmp_path: Path) -> None:
    """How to start Mosquitto with these files, and the next users."""
    shown = typed(*CONFIG, "--folder", tmp_path / "m").output
    assert f"mosquitto -c {tmp_path}/m/{CONFIG_FILE}" in shown
    assert "ExecStart=/usr/sbin/mosquitto -c" in shown
    for user in ("ingestor", "gateway", "DEVICE-ID"):
        assert f"wattline broker add-user --folder {tmp_path}/m {user}" in shown


def test_refusals_name_option_and_fix(tmp_path: Path) -> None:
    """A folder that can't be, an unknown account, an empty password file: a sentence each, and nothing written."""
    assert "/proc/xx" in typed(*CONFIG, "--folder", "/proc/xx").output
    unknown = typed(*CONFIG, "--folder", tmp_path / "m", "--owner", "no-such-account")
    assert "no-such-account" in unknown.output
    assert not (tmp_path / "m").exists()
    typed(*CONFIG, "--folder", tmp_path / "m")
    (tmp_path / "empty").write_text("\n")
    refused = typed("add-user", "--folder", tmp_path / "m", "--password-file", tmp_path / "empty", "pi-1")
    assert refused.exit_code == 2
    assert "is empty" in refused.output
    assert logins(tmp_path / "m") == {}


def test_who_is_no_device_is_let_out(tmp_path: Path) -> None:
    """A person and a service are removed; a device, a stranger and the command's own login are not, and it says why."""
    folder = tmp_path / "m"
    typed(*CONFIG, "--folder", folder)
    for user in (("--role", "engineer", "wattline-anna"), ("ingestor",), ("pi-1~2",)):
        typed("add-user", "--folder", folder, *user)
    for user, says in (("pi-1~2", "device revoke pi-1`"), ("eva", "no login"), ("wattline-admin", "it stays")):
        ended = typed("remove-user", "--folder", folder, user)
        assert (ended.exit_code, says in ended.output) == (1, True), ended.output
    for user in ("wattline-anna", "ingestor"):
        assert typed("remove-user", "--folder", folder, user).exit_code == 0
    assert list(logins(folder)) == ["pi-1~2"]
    assert (folder / ADMIN_FILE).read_text()


@pytest.mark.parametrize("words", [("add-user", "wattline-anna", "--role", "engineer"), ("remove-user", "monitor")])
def test_a_folder_without_our_own_password_is_not_written_behind_a_broker_s_back(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Whether its broker runs can't be asked, and one that does would write its own file over the change."""
    folder = tmp_path / "mosquitto"
    assert typed(*CONFIG, "--folder", folder).exit_code == 0
    assert typed("add-user", "--folder", folder, "monitor").exit_code == 0
    before = (folder / LOGINS_FILE).read_bytes()
    (folder / ADMIN_FILE).unlink()
    ended = typed(*words, "--folder", folder)
    assert ended.exit_code != 0
    assert "admin.password is missing" in ended.stderr
    assert (folder / LOGINS_FILE).read_bytes() == before
    assert typed(*CONFIG, "--folder", folder).exit_code == 0
    assert typed(*words, "--folder", folder).exit_code == 0


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    """Mosquitto's account owns the folder, so root must not read or write through what lies there."""
    typed(*CONFIG, "--folder", tmp_path / "m")
    victim = tmp_path / "victim"
    victim.write_text("mine")
    passwords = tmp_path / "m" / LOGINS_FILE
    passwords.unlink()
    passwords.symlink_to(victim)
    assert str(passwords) in typed("add-user", "--folder", tmp_path / "m", "pi-1").output
    assert passwords.is_symlink()
    assert victim.read_text() == "mine"
