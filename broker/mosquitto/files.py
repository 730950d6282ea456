"""Mosquitto's folder on disk: whose it is, and files that are replaced as a whole."""

import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from broker.errors import PermanentError
from broker.mosquitto.config import ADMIN_CERTIFICATE, ADMIN_FILE, CONFIG_FILE, LOGINS_FILE

DEFAULT_OWNER = "mosquitto"
"""The account to which Mosquitto changes when root starts it, where its config names no other."""
PASSWORDS_BEFORE = "passwords"
"""What Wattline gave Mosquitto in place of the plugin's file until 0.2, beside an `acl`."""
_BEFORE = frozenset({"acl", PASSWORDS_BEFORE})
PLUGIN = "mosquitto_dynamic_security.so"
_OURS = frozenset({CONFIG_FILE, LOGINS_FILE, ADMIN_FILE, ADMIN_CERTIFICATE}) | _BEFORE
FOLDER_MODE = 0o750
FILE_MODE = 0o640


@dataclass(frozen=True, slots=True)
class Owner:
    """The account that Mosquitto runs as."""

    name: str
    uid: int
    gid: int


def find_owner(name: str | None) -> Owner | None:
    """The account of this name, or with None the usual one if this process is root and the machine has it.

    Raises PermanentError for a name that is no account, or one to which this process may give no files.
    """
    if name is None and os.geteuid() != 0:
        return None
    try:
        account = pwd.getpwnam(name or DEFAULT_OWNER)
    except KeyError as error:
        if name is None:
            return None
        raise PermanentError(f"this machine has no account {name}: name the one that Mosquitto runs as") from error
    if os.geteuid() not in (0, account.pw_uid):
        raise PermanentError(f"only root may give files to {name}: run this with sudo")
    return Owner(account.pw_name, account.pw_uid, account.pw_gid)


def find_plugin(program: Path | None = None) -> Path | None:
    """The plugin of this Mosquitto, or of the one on this machine; None where neither has it.

    Debian has it in a folder named after the machine, the image of eclipse-mosquitto without.
    """
    found = program or Path(shutil.which("mosquitto") or "/usr/sbin/mosquitto")
    libraries = found.absolute().parent.parent / "lib"
    return next((path for place in ("*", ".") for path in sorted(libraries.glob(f"{place}/{PLUGIN}"))), None)


def prepare_folder(folder: Path, owner: Owner | None) -> bool:
    """Make the folder and give it and our files to the owner; False where it holds other things and so stays as it is.

    Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    names = {path.name for path in folder.iterdir()}
    if not names <= _OURS and LOGINS_FILE not in names and not names >= _BEFORE:
        return False
    if owner is not None:
        os.chown(folder, owner.uid, owner.gid)
        for name in names & _OURS:
            os.chown(folder / name, owner.uid, owner.gid, follow_symlinks=False)
    folder.chmod(FOLDER_MODE)
    return True


def read_file(path: Path) -> str:
    """A file's text, empty where there is none; a symbolic link is not followed. Raises OSError.

    The folder is Mosquitto's own, so its account could have root read any file and hand it over.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return ""
    with os.fdopen(descriptor) as file:
        return file.read()


def replace_file(path: Path, text: str, owner: Owner | None) -> None:
    """Replace a file as a whole, readable by its owner and group only; without an owner it keeps the one it has.

    What root makes anew without one is the folder's owner's, whose account must be able to read it.

    Raises OSError.
    """
    descriptor, growing = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            if owner is not None:
                os.fchown(descriptor, owner.uid, owner.gid)
            elif path.exists() or os.geteuid() == 0:
                stat = (path if path.exists() else path.parent).stat()
                os.fchown(descriptor, stat.st_uid, stat.st_gid)
            os.fchmod(descriptor, FILE_MODE)
            os.fsync(descriptor)
        Path(growing).replace(path)
    except BaseException:
        Path(growing).unlink(missing_ok=True)
        raise
