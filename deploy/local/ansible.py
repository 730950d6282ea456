"""Ansible and its linter, in a virtual environment of the cache: programs that are run, and never imported by ours."""

import hashlib
import os
import shutil
import venv
from dataclasses import dataclass
from pathlib import Path

from deploy.local.debian import Progress, ProvisionError, run
from deploy.local.locks import file_lock
from deploy.local.settings import LocalSettings
from deploy.local.toolchain import ToolchainError

FOLDER = Path(__file__).resolve().parents[1] / "ansible"
"""Our collection, and the pinned programs for it."""
COLLECTION = Path("ansible_collections/wattline/platform")


@dataclass(frozen=True, slots=True)
class Ansible:
    """Where the programs are."""

    bin: Path

    def environment(self, collections: Path, home: Path) -> dict[str, str]:
        """What they are told: our collection is below `collections`, and what they keep goes to `home`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "WATTLINE_"))}
        return kept | {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(home),
            "ANSIBLE_HOME": str(home / ".ansible"),
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "True",
        }

    def install_collection(self, folder: Path) -> Path:
        """Build the collection and install it below a folder, as an operator does. Raises ProvisionError."""
        galaxy = str(self.bin / "ansible-galaxy")
        built = folder / "built"
        run(galaxy, "collection", "build", "--force", "--output-path", str(built), str(FOLDER))
        (archive,) = built.glob("*.tar.gz")
        run(galaxy, "collection", "install", "--force", "--no-deps", "-p", str(folder), str(archive))
        return folder / COLLECTION


def provide_ansible(settings: LocalSettings, progress: Progress) -> Ansible:
    """The programs, installed first where the cache lacks them (half a minute).

    Raises ToolchainError with one sentence on what to do.
    """
    requirements = FOLDER / "requirements.txt"
    mark = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = settings.cache / f"ansible-{mark}"
    try:
        settings.cache.mkdir(parents=True, exist_ok=True, mode=0o755)
        with file_lock(folder.with_name(f"{folder.name}.lock"), lambda: progress("waiting for another run")):
            if not (folder / "whole").exists():
                progress("installing Ansible for the tests (about 30 MB)")
                shutil.rmtree(folder, ignore_errors=True)
                venv.create(folder, with_pip=True)
                pip = (str(folder / "bin/pip"), "install", "--quiet", "--disable-pip-version-check")
                run(*pip, "--require-hashes", "-r", str(requirements))
                (folder / "whole").touch()
    except (OSError, ProvisionError) as error:
        raise ToolchainError(f"Ansible could not be installed by {requirements} ({error})") from error
    return Ansible(folder / "bin")
