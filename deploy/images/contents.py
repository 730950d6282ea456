"""What the images hold: packages of Debian and of Python, our folders, and what of them is left out, as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from deploy.images.layer import LEVEL, Owned
from deploy.images.oci import Runtime

PYTHON: Final = "3.13"
"""Debian 13's: the base brings it, and wheels are chosen for it."""
LIBRARY: Final = f"usr/lib/python{PYTHON}"
SITE: Final = f"usr/local/lib/python{PYTHON}/dist-packages"
"""Where Debian's Python looks for what Debian did not bring."""
ARCHITECTURES: Final[Mapping[str, str]] = {"amd64": "x86_64", "arm64": "aarch64"}
"""Names of OCI and Debian, and of wheels. A Pi from the 3 on runs arm64 under a 64-bit system."""
ACCOUNT: Final = 10001
"""The account of all our containers."""

BASE_PACKAGES: Final = (
    "base-files", "netbase", "ca-certificates", "libc6", "libgcc-s1", "libssl3t64", "libzstd1", "zlib1g", "libexpat1",
    "libffi8", "libbz2-1.0", "liblzma5", "libuuid1", f"python{PYTHON}-minimal", f"libpython{PYTHON}-minimal",
    f"libpython{PYTHON}-stdlib",
)  # fmt: skip
"""What goes into the base. What these depend on besides is for terminals, for SQLite, or runs at installation only."""
TOOLS_PACKAGES: Final = ("busybox-static", "libstdc++6")
"""What the services' image has besides: a shell, and what Arrow is built on."""
TOOLS: Final = ("sh", "cat", "chmod", "chown", "id", "ls", "mv", "stat", "wget")
"""For the scripts of compose; the agent has no shell, and so has nobody who gets into it."""
BASE_UNUSED: Final = (
    "usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/bug", "usr/share/info", "usr/share/base-files",
    "usr/share/binfmts", "usr/share/applications", "usr/share/pixmaps", "usr/share/gdb", "usr/share/dict",
    "usr/share/doc/*/[!c]*", "usr/share/doc/*/changelog*", "usr/lib/binfmt.d", "usr/share/ca-certificates",
    "usr/sbin", "boot", "media", "mnt", "srv", "usr/games", "usr/src", "usr/local/games",
    # character sets of the C library, which Python has its own of, and parts for debuggers
    "usr/lib/*/gconv", "usr/lib/*/engines-3", "usr/lib/*/libpcprofile.so", "usr/lib/*/libmemusage.so",
    "usr/lib/*/libc_malloc_debug.so.0", "usr/lib/*/libthread_db.so.1", "usr/lib/*/libBrokenLocale.so.1",
    # Python's own tests, its shell, installer and documentation, and modules whose libraries are not there
    *(f"{LIBRARY}/{name}" for name in (
        "test", "_pyrepl", "ensurepip", "pydoc_data", "idlelib", "turtledemo", "turtle.py", "sqlite3", "curses", "dbm",
        "lib-dynload/_test*", "lib-dynload/xx*", "lib-dynload/_curses*", "lib-dynload/_dbm*", "lib-dynload/readline*",
        "lib-dynload/_sqlite3*", "lib-dynload/_codecs_*",
    )),
)  # fmt: skip
PYTHON_UNUSED: Final = (
    "bin", "**/*.pyi", "**/*.pxd", "**/*.pyx", "**/*.c", "**/*.h", "**/py.typed", "*.dist-info/RECORD",
    "*.dist-info/INSTALLER", "*.dist-info/REQUESTED", "pyarrow/include", "pyarrow/tests", "pyarrow/src",
    # of Arrow only tables and Parquet files are used: no remote calls, no buckets
    "pyarrow/libarrow_flight*", "pyarrow/_flight*", "pyarrow/libarrow_python_flight*", "pyarrow/libarrow_s3*",
    "pyarrow/_s3fs*",
    # 2 MB of test vectors
    "securesystemslib/_vendor/ed25519/test_data",
    # pydantic's first version, which it carries for those who are not through with it
    "pydantic/v1",
)  # fmt: skip
"""What packages of Python carry for compilers, type checkers and installers."""
FILES: Final[Mapping[str, str]] = {
    "etc/passwd": "root:x:0:0:root:/:/usr/sbin/nologin\n"
    f"mosquitto:x:1883:1883::/:/usr/sbin/nologin\nwattline:x:{ACCOUNT}:{ACCOUNT}::/:/usr/sbin/nologin\n"
    "nobody:x:65534:65534::/:/usr/sbin/nologin\n",
    # dialout has the serial ports of Debian's and Raspberry Pi's systems
    "etc/group": f"root:x:0:\ndialout:x:20:\nmosquitto:x:1883:\nwattline:x:{ACCOUNT}:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
"""What maintainer scripts would have written. 1883 is Mosquitto's account in its own image."""
LINKS: Final[Mapping[str, str]] = {
    "usr/bin/python3": f"python{PYTHON}",
    "usr/bin/python": f"python{PYTHON}",
    # where OpenSSL looks
    "usr/lib/ssl/cert.pem": "/etc/ssl/certs/ca-certificates.crt",
}
STATE: Final = "var/lib/wattline"
"""The agent's only folder to write into."""
OWNERS: Final[Mapping[str, Owned]] = {"tmp": Owned(0, 0, 0o1777), STATE: Owned(ACCOUNT, ACCOUNT, 0o700)}
COMMAND: Final = """#!/usr/bin/python3
import sys
from cli.__main__ import main
sys.exit(main(prog_name="wattline"))
"""


@dataclass(frozen=True, slots=True)
class Image:
    """One image: what it holds, and how its containers start."""

    name: str
    title: str
    requirements: str
    code: tuple[str, ...]
    """Names at the wheel's top that are taken, folders with a slash at the end."""
    starts: tuple[str, ...]
    """Modules that the image's programs load when they start: bytecode is shipped of these and all they import."""
    runtime: Runtime
    left_out: tuple[str, ...] = ()
    """Packages of Python that the requirements name for machines that do more."""
    code_left_out: tuple[str, ...] = ()
    """Files of those folders that serve other programs, folders with a slash at the end."""
    vendored: tuple[str, ...] = ()
    """Folders of the wheel with other people's libraries: they change as rarely, and stand in that layer."""
    tools: bool = False
    dependencies_level: int = LEVEL
    """How hard that layer is compressed."""

    def holds(self, name: str) -> bool:
        """Whether a file of the wheel belongs in."""
        return _is_of(self.code, name) and not _is_of(self.code_left_out, name)

    def is_vendored(self, name: str) -> bool:
        """Whether a file of the wheel is somebody else's."""
        return bool(self.vendored) and name.startswith(self.vendored)


def _is_of(names: Sequence[str], name: str) -> bool:
    return any(name == one or (one.endswith("/") and name.startswith(one)) for one in names)


_ENVIRONMENT: Final = {"PATH": "/usr/bin", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
_USER: Final = f"{ACCOUNT}:{ACCOUNT}"

AGENT: Final = Image(
    name="agent",
    title="Wattline's agent, which runs beside the meter",
    requirements="requirements/device.txt",
    code=(
        "broker/",
        "device/",
        "meters/",
        "cli/__init__.py",
        "cli/__main__.py",
        "cli/commands.py",
        "cli/completion.py",
    ),
    # the services serve HTTP by aiohttp, and read other systems' messages
    code_left_out=("broker/runtime/http_bounds.py", "broker/runtime/http_server.py", "meters/mappings/"),
    starts=("cli.__main__", "device.__main__", "device.service", "device.enrolment.requesting"),
    # rich loads these for Markdown and coloured source, of which there is none; cffi needs its parser to build only
    left_out=("markdown-it-py", "mdurl", "pycparser", "pygments"),
    runtime=Runtime(_USER, _ENVIRONMENT, ("wattline",), ("device",), volumes=(f"/{STATE}",)),
)
SERVER: Final = Image(
    name="server",
    title="Wattline's services: ingestor, worker, gateway, outlet, and the commands that keep them",
    requirements="requirements/server.txt",
    code=(
        "broker/",
        "meters/",
        "store/",
        "device/",
        "ingestor/",
        "intake/",
        "gateway/",
        "outlet/",
        "cli/",
        "grafana/",
        "deploy/backup/",
        "deploy/__init__.py",
        "deploy/device_command.py",
    ),
    vendored=("gateway/console/static/vendor/",),
    starts=(
        "cli.__main__",
        "ingestor.__main__",
        "ingestor.service",
        "ingestor.worker.service",
        "gateway.__main__",
        "gateway.service",
        "outlet.__main__",
        "outlet.service",
    ),
    tools=True,
    # 220 MB, Arrow for the most part, at a server's line: a tenth more bytes for a tenth of the time
    dependencies_level=9,
    runtime=Runtime(_USER, _ENVIRONMENT, ("wattline",), ("--help",)),
)
IMAGES: Final[Mapping[str, Image]] = {image.name: image for image in (AGENT, SERVER)}
