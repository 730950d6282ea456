"""`make lock`: pins the requirements anew from pyproject.toml, for every supported Python and platform."""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

_TOP = Path(__file__).resolve().parents[2]
_FILES = {
    "requirements/cli.txt": ("pyproject.toml", "--extra", "cli"),
    "requirements/device.txt": ("pyproject.toml", "--extra", "device"),
    "requirements/server.txt": ("pyproject.toml", "--extra", "server"),
    "requirements/images.txt": ("pyproject.toml", "--extra", "images"),
    "requirements/dev.txt": ("pyproject.toml", "--extra", "dev"),
    # programs that are run and never imported or shipped
    "deploy/ansible/requirements.txt": ("deploy/ansible/requirements.in",),
    "deploy/ci/scan.txt": ("deploy/ci/scan.in",),
}
_OPTIONS = (
    "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate",
    "--no-emit-index-url", "--no-emit-find-links", "--upgrade", "--quiet",
)  # fmt: skip


def main() -> None:
    """Write the requirement files; the resolver lives in a throw-away environment."""
    with tempfile.TemporaryDirectory(prefix="wattline-lock-") as folder:
        venv.create(folder, with_pip=True)
        python = f"{folder}/bin/python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "uv"], check=True)
        for name, source in _FILES.items():
            words = [python, "-m", "uv", "pip", "compile", *source, *_OPTIONS, "--output-file", name]
            subprocess.run(words, cwd=_TOP, check=True)
            sys.stdout.write(f"{name} is pinned\n")


if __name__ == "__main__":
    main()
