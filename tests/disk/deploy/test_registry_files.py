"""What a registry is told: who may do what on which side, and that secrets are nobody else's."""

import json
from pathlib import Path

import bcrypt
import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from deploy.registry.__main__ import main
from deploy.registry.files import Place, RegistryError, Side, add_user, remove_user, user_names, write_config

_TOP = Path(__file__).resolve().parents[3]


def _place(folder: Path) -> Place:
    place = Place(folder / "registry")
    for side, port in ((Side.READ, 5000), (Side.PUBLISH, 5001)):
        write_config(place, side, f"127.0.0.1:{port}")
    return place


def test_pis_read_where_nothing_is_written(tmp_path: Path) -> None:
    """Both sides want TLS and a login and have one store; only one takes images and removals."""
    place = _place(tmp_path)
    read, publish = (json.loads(place.config(side).read_text()) for side in (Side.READ, Side.PUBLISH))
    for one in (read, publish):
        assert one["http"]["tls"]["minimumtls"] == "tls1.2"
        assert one["auth"]["htpasswd"]["path"]
        assert one["storage"]["filesystem"] == {"rootdirectory": str(place.store)}
    assert read["storage"]["maintenance"]["readonly"] == {"enabled": True}
    assert (read["storage"]["delete"]["enabled"], publish["storage"]["delete"]["enabled"]) == (False, True)
    assert publish["storage"]["maintenance"]["readonly"] == {"enabled": False}
    assert read["auth"]["htpasswd"]["path"] != publish["auth"]["htpasswd"]["path"]


def test_users_are_kept_as_hashes_and_are_one_side_s(tmp_path: Path) -> None:
    """A password is shown once, fits its hash, is replaced by the next, and opens one side alone."""
    place = _place(tmp_path)
    first, second = add_user(place, Side.READ, "pi-1"), add_user(place, Side.READ, "pi-1")
    add_user(place, Side.READ, "pi-2")
    assert user_names(place, Side.READ) == ["pi-1", "pi-2"]
    assert user_names(place, Side.PUBLISH) == []
    text = place.users(Side.READ).read_text()
    hashed = text.splitlines()[0].partition(":")[2].encode()
    assert bcrypt.checkpw(second.encode(), hashed)
    assert not bcrypt.checkpw(first.encode(), hashed)
    assert place.users(Side.READ).stat().st_mode & 0o007 == 0
    remove_user(place, Side.READ, "pi-1")
    assert user_names(place, Side.READ) == ["pi-2"]
    write_config(place, Side.READ, "127.0.0.1:5002")
    assert user_names(place, Side.READ) == ["pi-2"], "who was let in stays when it starts again"


@pytest.mark.parametrize("name", ["", "a:b", "a b", "-a", "a\nb", "x" * 65])
def test_names_that_would_break_the_file_are_refused(tmp_path: Path, name: str) -> None:
    """With what a name may have."""
    with pytest.raises(RegistryError, match="letters, digits"):
        add_user(_place(tmp_path), Side.READ, name)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    """A user, and a folder, in one line."""
    place = _place(tmp_path)
    add_user(place, Side.READ, "pi-1")
    with pytest.raises(RegistryError, match="there are: pi-1"):
        remove_user(place, Side.READ, "pi-2")
    said = CliRunner().invoke(main, ["user", "list", "--folder", str(tmp_path / "gone")])
    assert said.exit_code == 1
    assert "is no registry's folder" in said.output
    said = CliRunner().invoke(main, ["user", "add", "x", "--folder", str(tmp_path / "gone")])
    assert said.exit_code == 1
    assert said.output.startswith("Error: ")


def test_the_compose_file_reads_what_is_prepared(tmp_path: Path) -> None:
    """It holds by the specification, is confined, and starts each side on its own file of the mounted folder."""
    compose = yaml.safe_load((_TOP / "deploy" / "registry" / "compose.yaml").read_text("utf-8"))
    schema = json.loads((_TOP / "tests" / "data" / "compose-spec.json").read_text("utf-8"))
    assert [error.message for error in Draft202012Validator(schema).iter_errors(compose)] == []
    said = CliRunner().invoke(main, ["prepare", "--folder", str(tmp_path / "registry")])
    assert said.exit_code == 0, said.output
    assert set(compose["services"]) == {f"registry-{side}" for side in Side}
    for side in Side:
        service = compose["services"][f"registry-{side}"]
        assert service["read_only"]
        assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
        (mount,) = service["volumes"]
        inside = mount.removesuffix(":ro").rpartition(":")[2]
        command, file = service["command"]
        assert command == "serve"
        written = json.loads((tmp_path / "registry" / Path(file).relative_to(inside)).read_text())
        for path in (written["http"]["tls"]["key"], written["auth"]["htpasswd"]["path"]):
            assert (tmp_path / "registry" / Path(path).relative_to(inside)).is_file()
        port = written["http"]["addr"]
        assert [published.endswith(port) for published in service["ports"]] == [True]
    assert compose["services"]["registry-read"]["volumes"][0].endswith(":ro")
    assert compose["services"]["registry-publish"]["profiles"] == ["publish"], "runs only while somebody publishes"
