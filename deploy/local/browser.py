"""A headless Chromium for the console's tests: the system's, or one in a Debian root of its own beside the servers'."""

import shutil
from pathlib import Path
from typing import Final

from deploy.local.debian import ProvisionError, Recipe, loader_of, provide_root, run
from deploy.local.settings import LocalSettings
from deploy.local.toolchain import Progress, ToolchainError

SYSTEM: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LAUNCHER: Final = "wattline-browser"
_PROGRAM: Final = Path("usr/lib/chromium/chromium-headless-shell")
_UNUSED: Final = (
    "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/perl*", "usr/share/X11/locale",
    "usr/lib/chromium/*.TOC", "usr/lib/chromium/libVkLayer_khronos_validation.so", "usr/lib/*/libLLVM*",
    "usr/lib/*/libz3*", "usr/lib/*/dri", "usr/lib/*/libgallium*",
    "var/lib/apt", "var/cache/apt", "var/log", "dev", "tmp",
)  # fmt: skip
_SCRIPT: Final = """#!/bin/sh
root=$(cd "${{0%/*}}" && pwd -P) || exit 126
export LD_LIBRARY_PATH="$root/{libraries}:$root/{libraries}/pulseaudio" FONTCONFIG_SYSROOT="$root"
exec "$root/{program}" "$@"
"""


def _prepare(growing: Path, root: Path) -> None:
    """Make the browser start with the root's own loader.

    It starts itself again from /proc/self/exe for each tab, so that it can't be handed to a loader as servers are:
    the loader's path is written into the program.
    """
    loader = loader_of(growing)
    libraries = loader.parent.relative_to(growing)
    patchelf = growing / "usr/bin/patchelf"
    final = root / loader.relative_to(growing)
    run(
        str(loader), "--library-path", str(loader.parent), str(patchelf),
        "--set-interpreter", str(final), str(growing / _PROGRAM),
    )  # fmt: skip
    launcher = growing / LAUNCHER
    launcher.write_text(_SCRIPT.format(libraries=libraries, program=_PROGRAM))
    launcher.chmod(0o755)


BROWSER: Final = Recipe(
    name="chromium",
    packages=("chromium-headless-shell", "fonts-dejavu-core", "fontconfig-config", "patchelf"),
    unused=_UNUSED,
    contents="a headless Chromium (about 200 MB)",
    prepare=_prepare,
    edition=_SCRIPT,
)


def provide_browser(settings: LocalSettings, progress: Progress) -> Path:
    """A program that playwright can start. Raises ToolchainError with one sentence on what to install."""
    if settings.browser is not None:
        return settings.browser.absolute()
    if settings.system and (found := next(filter(None, map(shutil.which, SYSTEM)), None)):
        return Path(found)
    try:
        return provide_root(BROWSER, settings, progress) / LAUNCHER
    except ProvisionError as error:
        raise ToolchainError(
            f"the console's tests need Chromium on this machine ({error}): install it, or name it in "
            "WATTLINE_LOCAL_BROWSER"
        ) from error
