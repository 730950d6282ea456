"""`wattline ca`, the authority's folder, and another authority behind a command."""

import asyncio
import os
import shlex
import shutil
import socket
import stat
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509

from broker.errors import PermanentError
from broker.mosquitto.files import replace_file
from broker.runtime.tls import TlsFiles
from gateway.enrolment.authority import Authority, common_name
from gateway.enrolment.ca_folder import (
    CHAIN,
    FILES,
    INTERMEDIATE_KEY,
    MAKING,
    ROOT,
    ROOT_KEY,
    load,
    open_or_make,
    renew_intermediate,
    write_pem,
)
from gateway.enrolment.cli import ca
from gateway.enrolment.issuers import CommandIssuer, IssuerError
from gateway.enrolment.own_certificate import OwnCertificate
from gateway.enrolment.requests import read_request
from tests.rigs.requests import request
from tests.rigs.waiting import until


def typed(*words: str | Path) -> Result:
    return CliRunner().invoke(ca, [str(word) for word in words])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_authority_is_made_once_with_keys_for_its_owner_alone(tmp_path: Path) -> None:
    """A second `init` leaves what is there; certificates are public, keys 0600."""
    folder = tmp_path / "ca"
    assert typed("init", "--folder", folder, "--organisation", "Acme").exit_code == 0
    root = (folder / ROOT).read_bytes()
    again = typed("init", "--folder", folder)
    assert again.exit_code == 0
    assert "there already" in again.output
    assert (folder / ROOT).read_bytes() == root
    assert {mode(folder / name) for name in (ROOT_KEY, INTERMEDIATE_KEY)} == {0o600}
    assert {mode(folder / name) for name in (ROOT, CHAIN)} == {0o644}
    assert "Acme intermediate" in typed("show", "--folder", folder).output


def test_certificates_are_made_by_hand(tmp_path: Path) -> None:
    """For the broker's host, and for a service; what can't name one is refused."""
    folder = tmp_path / "ca"
    typed("init", "--folder", folder)
    made = typed("server-certificate", "--folder", folder, "--name", "mqtt", "--name", "10.0.0.1", "--to", tmp_path)
    assert made.exit_code == 0, made.output
    names = x509.load_pem_x509_certificate((tmp_path / "mqtt.pem").read_bytes()).extensions
    found = names.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == ["mqtt", "localhost"], "its own machine calls it so"
    assert list(map(str, found.get_values_for_type(x509.IPAddress))) == ["10.0.0.1", "127.0.0.1"]
    assert mode(tmp_path / "mqtt.key") == 0o600
    assert typed("service-certificate", "--folder", folder, "--name", "ingestor", "--to", tmp_path).exit_code == 0
    assert len(x509.load_pem_x509_certificates((tmp_path / "ingestor.pem").read_bytes())) == 2
    assert mode(tmp_path / "ingestor.pem") == 0o600, "its key is in the same file"
    for name in ("../x", "", "x" * 65, "é"):
        refused = typed("server-certificate", "--folder", folder, "--name", name, "--to", tmp_path)
        assert (refused.exit_code, "--name" in refused.output) == (2, True), name
    assert typed("service-certificate", "--folder", tmp_path / "none", "--name", "x").exit_code == 1


def test_a_service_s_certificate_is_made_when_it_is_due(tmp_path: Path) -> None:
    """Missing, damaged, another authority's, without its key, or near its end: made. Else it stays, without a word."""
    ours, others, file = tmp_path / "ca", tmp_path / "others", tmp_path / "ingestor.pem"

    def made(folder: Path = ours, *more: str) -> bool:
        words = ("service-certificate", "--folder", folder, "--name", "ingestor", "--to", tmp_path, *more)
        said = typed(*words)
        assert said.exit_code == 0, said.output
        return "ingestor.pem" in said.output

    for folder in (ours, others):
        typed("init", "--folder", folder, "--organisation", "Wattline services")
    assert [made(ours, "--if-due") for _ in range(3)] == [True, False, False]
    whole = file.read_bytes()
    for damage in (b"", whole[: len(whole) // 2], whole.partition(b"-----BEGIN PRIVATE KEY")[0]):
        file.write_bytes(damage)
        assert [made(ours, "--if-due") for _ in range(2)] == [True, False]
    assert made(others)
    assert [made(ours, "--if-due") for _ in range(2)] == [True, False]
    assert made(ours, "--days", "29"), "less than a third of 90"
    assert [made(ours, "--if-due") for _ in range(2)] == [True, False]
    assert made(ours, "--days", "31")
    assert not made(ours, "--if-due")


@pytest.mark.parametrize("organisation", ["", " ", "x" * 52, "a\nb"])
def test_an_organisation_fits_into_a_certificate(tmp_path: Path, organisation: str) -> None:
    """What does not is refused with what does, and nothing is made; the longest that does is taken."""
    folder = tmp_path / "ca"
    refused = typed("init", "--folder", str(folder), "--organisation", organisation)
    assert (refused.exit_code, folder.exists()) == (2, False)
    assert "--organisation" in refused.output
    assert "1 to 51 printable characters" in " ".join(refused.output.split())
    assert typed("init", "--folder", str(folder), "--organisation", "x" * 51).exit_code == 0


def test_a_server_is_called_by_its_own_names_where_none_is_said(tmp_path: Path) -> None:
    """By its host name, by the address that it reaches others from, and as localhost; the files are called as said."""
    folder = tmp_path / "ca"
    typed("init", "--folder", folder)
    assert typed("server-certificate", "--folder", folder, "--as", "broker", "--to", tmp_path).exit_code == 0
    names = x509.load_pem_x509_certificate((tmp_path / "broker.pem").read_bytes()).extensions
    found = names.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {socket.gethostname(), "localhost"} <= set(found.get_values_for_type(x509.DNSName))
    assert "127.0.0.1" in map(str, found.get_values_for_type(x509.IPAddress))
    assert mode(tmp_path / "broker.key") == 0o600
    assert typed("server-certificate", "--folder", folder, "--as", "../x", "--to", tmp_path).exit_code == 2


def test_the_gateway_s_own_certificate_is_made_anew_in_time_and_for_other_names(tmp_path: Path) -> None:
    """One that is good stays; key and certificate of the next one fit, and are the account's alone."""
    authority, _ = open_or_make(tmp_path, None)
    names = ["wattline.example"]
    own = OwnCertificate(authority, tmp_path, lambda: tuple(names))
    first = own.fresh().read_bytes()
    assert own.fresh().read_bytes() == first
    names.append("10.0.0.5")
    second = own.fresh().read_bytes()
    assert second != first
    assert mode(own.fresh()) == 0o600
    files = TlsFiles(certificate=own.fresh(), key=own.fresh())
    assert files.load() is not None
    names[:] = ["é"]
    with pytest.raises(PermanentError, match="ENROLMENT__NAMES"):
        own.fresh()


def test_the_intermediate_is_renewed_with_the_root_s_key_wherever_that_is(tmp_path: Path) -> None:
    """Another key and serial below the same root; without the root's key, or with another's, it stays as it is."""
    folder, kept = tmp_path / "ca", tmp_path / "safe.key"
    typed("init", "--folder", folder, "--organisation", "Acme")
    typed("init", "--folder", tmp_path / "other")
    before = load(folder, None)
    (folder / ROOT_KEY).rename(kept)
    assert typed("renew", "--folder", folder).exit_code == 1
    other = typed("renew", "--folder", folder, "--root-key", tmp_path / "other" / ROOT_KEY)
    assert (other.exit_code, "is not the key of root.pem" in other.output) == (1, True)
    assert load(folder, None).certificate == before.certificate
    renewed = typed("renew", "--folder", folder, "--root-key", kept)
    assert (renewed.exit_code, "restart the gateways" in renewed.output) == (0, True), renewed.output
    after = load(folder, None)
    assert common_name(after.certificate.subject) == "Acme intermediate"
    assert after.certificate.public_key() != before.certificate.public_key()
    assert after.above == before.above
    after.certificate.verify_directly_issued_by(before.above[0])
    assert x509.load_pem_x509_certificates((folder / CHAIN).read_bytes()) == list(after.chain)
    assert mode(folder / INTERMEDIATE_KEY) == 0o600


def test_a_passphrase_is_asked_for_where_keys_are_behind_one(tmp_path: Path) -> None:
    """Without it, with another one, or with one too many, a sentence says what to do."""
    open_or_make(tmp_path / "a", b"correct horse")
    assert common_name(load(tmp_path / "a", b"correct horse").certificate.subject) == "Wattline intermediate"
    open_or_make(tmp_path / "b", None)
    for folder, passphrase, fix in (("a", None, "PASSPHRASE_FILE"), ("a", b"x", "another one"), ("b", b"x", "leave")):
        with pytest.raises(PermanentError, match=fix):
            load(tmp_path / folder, passphrase)
    (tmp_path / "b" / ROOT).write_text("nothing")
    with pytest.raises(PermanentError, match="holds no certificate"):
        load(tmp_path / "b", None)


CUT_OFF = """
import os, pathlib, sys
from gateway.enrolment import ca_folder
left, replace = int(sys.argv[3]), pathlib.Path.replace
def replace_some(self, target):
    global left
    if not left:
        os._exit(9)
    left -= 1
    return replace(self, target)
pathlib.Path.replace = replace_some
folder = pathlib.Path(sys.argv[1])
ca_folder.open_or_make(folder, None) if sys.argv[2] == "make" else ca_folder.renew_intermediate(folder, None)
"""
"""A process that ends as by kill -9 as it puts its file number so and so into place."""


def cut_off(folder: Path, what: str, after: int) -> bool:
    ended = subprocess.run([sys.executable, "-c", CUT_OFF, folder, what, str(after)], check=False)
    assert ended.returncode in (0, 9)
    return ended.returncode == 9


def test_whoever_is_cut_off_as_it_writes_an_authority_starts_again(tmp_path: Path) -> None:
    """At its making, or at a renewal, between whichever files: with the whole old one or the whole new one."""
    kept = set()
    for after in count():
        folder = tmp_path / f"made-{after}"
        was_cut = cut_off(folder, "make", after)
        roots = [file.read_bytes() for file in folder.glob(f"**/{ROOT}")]
        open_or_make(folder, None)
        if (folder / ROOT).read_bytes() in roots:
            kept.add(after)
        load(folder, None)
        if not was_cut:
            break
    assert kept == set(range(5, after + 1)), "once all is written no other root is made"
    root = (folder / ROOT).read_bytes()
    for after in count():
        was_cut = cut_off(folder, "renew", after)
        authority, made = open_or_make(folder, None)
        assert (made, (folder / ROOT).read_bytes()) == (False, root)
        authority.certificate.verify_directly_issued_by(authority.chain[-1])
        chain = x509.load_pem_x509_certificates((folder / CHAIN).read_bytes())
        assert chain == list(authority.chain)
        if not was_cut:
            break
    assert not (folder / MAKING).exists()


def test_who_reads_an_authority_waits_for_a_renewal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the renewal's files a key is none of its certificate: nobody sees that."""
    folder, replace = tmp_path / "ca", Path.replace
    open_or_make(folder, None)
    place = f":{(folder / 'lock').stat().st_ino} "
    read: list[Future[Authority]] = []

    def waits() -> bool:
        return any("->" in line and place in line for line in Path("/proc/locks").read_text().splitlines())

    with ThreadPoolExecutor(1) as another:

        def replace_and_read(self: Path, target: Path) -> Path:
            done = replace(self, target)
            if target == folder / INTERMEDIATE_KEY:
                read.append(another.submit(load, folder, None))
                asyncio.run(until(lambda: waits() or read[0].done(), "the reader has come"))
            return done

        monkeypatch.setattr(Path, "replace", replace_and_read)
        renewed = renew_intermediate(folder, None)
        assert read[0].result(10).certificate == renewed.certificate


def test_a_renewal_is_on_the_disk_before_its_copy_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, too: a power cut leaves a whole authority."""
    folder, steps, fsync, rmtree = tmp_path / "ca", list[str](), os.fsync, shutil.rmtree
    open_or_make(folder, None)

    def synced(descriptor: int) -> None:
        steps.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def removed(path: Path) -> None:
        steps.append(f"no {path.name}")
        rmtree(path)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(shutil, "rmtree", removed)
    renew_intermediate(folder, None)
    assert steps[-2:] == ["ca", f"no {MAKING}"]
    assert steps[-3] == MAKING, "the last file's name, before anything is put into place"


def test_several_that_write_one_file_at_once_leave_a_whole_one(tmp_path: Path) -> None:
    """As gateways on one folder do; whoever reads it meanwhile finds one or the other, and nothing is left beside."""
    blocks = [bytes([letter]) * 4096 for letter in b"abcd"]

    async def all_at_once() -> None:
        writes = [asyncio.to_thread(write_pem, tmp_path / "server.pem", [block] * 8, 0o600) for block in blocks * 8]
        await asyncio.gather(*writes)

    asyncio.run(all_at_once())
    assert (tmp_path / "server.pem").read_bytes() in [block * 8 for block in blocks]
    assert [file.name for file in tmp_path.iterdir()] == ["server.pem"]


def test_what_root_makes_in_a_service_s_folder_is_the_service_s(tmp_path: Path) -> None:
    """By every command that writes there: files, the lock, and folders that are made for it; also the broker's."""
    home, account = tmp_path / "service", (65534, 65534) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    home.mkdir()
    os.chown(home, *account)
    folder, to = home / "ca", home / "certs" / "broker"
    assert typed("init", "--folder", folder).exit_code == 0
    assert typed("renew", "--folder", folder).exit_code == 0
    assert typed("server-certificate", "--folder", folder, "--as", "broker", "--to", to).exit_code == 0
    assert typed("service-certificate", "--folder", folder, "--name", "ingestor", "--to", to).exit_code == 0
    authority = load(folder, None)
    OwnCertificate(authority, folder, lambda: ("wattline.example",)).fresh()
    replace_file(home / "registry.htpasswd", "", None)
    found = {path: (path.stat().st_uid, path.stat().st_gid) for path in home.rglob("*")}
    assert folder / INTERMEDIATE_KEY in found
    assert set(found.values()) == {account}, found


def test_no_new_root_is_made_where_a_part_of_the_old_one_is(tmp_path: Path) -> None:
    """A restore that lacks a file is refused by what is missing, by command and gateway, and nothing is overwritten."""
    folder = tmp_path / "ca"
    typed("init", "--folder", folder)
    whole = {name: (folder / name).read_bytes() for name in FILES}
    for kept in ([name for name in FILES if name != gone] for gone in FILES if gone != ROOT_KEY):
        _leave(folder, whole, kept)
        refused = typed("init", "--folder", folder)
        [missing] = set(FILES) - set(kept)
        assert (refused.exit_code, f"lacks {missing}" in refused.output) == (1, True), refused.output
        assert {name: (folder / name).read_bytes() for name in kept} == {name: whole[name] for name in kept}
    for alone in FILES:
        _leave(folder, whole, [alone])
        with pytest.raises(PermanentError, match="restore what is missing"):
            open_or_make(folder, None)
    _leave(folder, whole, [name for name in FILES if name != ROOT_KEY])
    assert open_or_make(folder, None)[1] is False, "the root's key may be kept elsewhere"


def _leave(folder: Path, whole: dict[str, bytes], kept: list[str]) -> None:
    for name, content in whole.items():
        (folder / name).unlink(missing_ok=True)
        if name in kept:
            (folder / name).write_bytes(content)


def test_two_that_start_at_once_make_one_authority(tmp_path: Path) -> None:
    """Whoever comes second finds what the first has made."""

    async def both() -> list[tuple[object, bool]]:
        return await asyncio.gather(*(asyncio.to_thread(open_or_make, tmp_path, None) for _ in range(4)))

    made = asyncio.run(both())
    assert sorted(fresh for _, fresh in made) == [False, False, False, True]
    assert len({one.certificate for one, _ in made}) == 1  # type: ignore[attr-defined]


SIGN = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from cryptography import x509
from gateway.enrolment.authority import Life, Usage
from gateway.enrolment.ca_folder import load, pem
csr = x509.load_pem_x509_csr(sys.stdin.buffer.read())
life = Life.of(datetime.now(UTC), timedelta(seconds=int(sys.argv[3])))
made = load(Path(sys.argv[1]), None).sign(sys.argv[2], csr.public_key(), Usage.CLIENT, life)
sys.stdout.buffer.write(pem(made))
"""


async def test_another_authority_signs_by_a_command(tmp_path: Path) -> None:
    """It gets the request, the name and the life; a certificate of another name, or a complaint, is not handed out."""
    open_or_make(tmp_path / "outside", None)
    program = tmp_path / "sign.py"
    program.write_text(SIGN)
    asked = read_request(request("pi-1", "hw"))
    command = f"{sys.executable} {program} {tmp_path / 'outside'} {{identity}} {{seconds}}"

    def issuer(words: str) -> CommandIssuer:
        return CommandIssuer.of(words, tmp_path / "outside" / CHAIN)

    made = await issuer(command).issue(asked, "pi-1~2", timedelta(hours=1))
    assert common_name(made.subject) == "pi-1~2"
    assert made.public_key() == asked.key
    complaint = shlex.join(["sh", "-c", "echo 'the vault is sealed' >&2; exit 3"])
    for words, said in (
        (command.replace("{identity}", "pi-9"), "CN is 'pi-9'"),
        (complaint, "ended with 3: the vault is sealed"),
        ("true", "printed no certificate"),
        ("/nowhere/at-all", "can't be run"),
    ):
        with pytest.raises(IssuerError, match=said):
            await issuer(words).issue(asked, "pi-1", timedelta(hours=1))
    with pytest.raises(PermanentError, match="CA__AUTHORITY"):
        CommandIssuer.of("true", program)
