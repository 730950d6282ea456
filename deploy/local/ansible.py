"""Ansible and its linter, and our collection for them."""

import os
from dataclasses import dataclass
from pathlib import Path

from deploy.local.debian import Progress, run
from deploy.local.programs import provide_programs
from deploy.local.settings import LocalSettings

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
    return Ansible(provide_programs(settings, "ansible", FOLDER / "requirements.txt", progress))
