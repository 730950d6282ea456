"""Programs of PyPI in virtual environments of the cache: they are run, and never imported by ours."""

import hashlib
import shutil
import venv
from pathlib import Path

from deploy.local.debian import Progress, ProvisionError, run
from deploy.local.locks import file_lock
from deploy.local.settings import LocalSettings
from deploy.local.toolchain import ToolchainError


def provide_programs(settings: LocalSettings, name: str, requirements: Path, progress: Progress) -> Path:
    """The folder of programs that hashed requirements name, installed first where the cache lacks them.

    Raises ToolchainError with one sentence on what to do.
    """
    mark = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = settings.cache / f"{name}-{mark}"
    try:
        settings.cache.mkdir(parents=True, exist_ok=True, mode=0o755)
        with file_lock(folder.with_name(f"{folder.name}.lock"), lambda: progress("waiting for another run")):
            if not (folder / "whole").exists():
                progress(f"installing {name} (up to half a minute)")
                shutil.rmtree(folder, ignore_errors=True)
                venv.create(folder, with_pip=True)
                pip = (str(folder / "bin/pip"), "install", "--quiet", "--disable-pip-version-check")
                run(*pip, "--require-hashes", "-r", str(requirements))
                (folder / "whole").touch()
    except (OSError, ProvisionError) as error:
        raise ToolchainError(f"{name} could not be installed by {requirements} ({error})") from error
    return folder / "bin"
