"""A platform and its Pis on machines with systemd, as the operator and the publisher of releases work with them."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device.updater.health import Look, look_of
from tests.rigs.machines import Machine
from tests.rigs.pi_releases import TOP, as_version, publish
from tests.rigs.playing import WHEELS
from tests.rigs.release_server import Publisher
from tests.rigs.released import LAST, released_file, released_wheel
from tests.rigs.software_updates import LEDGER, NO_HOLE
from tests.rigs.waiting import until

SOURCE = "http://server:8000"
PLATFORM = "cp313-x86_64"
_METRICS = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8083/metrics').read().decode())"
_AS_OPERATOR = """set -eu
. /etc/wattline/gateway.env
export WATTLINE_TOKEN="$WATTLINE_GATEWAY_API_TOKEN" WATTLINE_URL=https://localhost:8080
export SSL_CERT_FILE=/var/lib/wattline-gateway/ca/root.pem
exec /opt/wattline/bin/wattline """
_BY_HAND = f"""set -eu
apt-get install -q -y --no-install-recommends python3-venv >&2
python3 -m venv /opt/wattline
/opt/wattline/bin/pip install -q {" ".join(WHEELS)} --require-hashes -r /srv/shared/{LAST}/device.txt
/opt/wattline/bin/pip install -q --no-deps --no-index /srv/shared/{LAST}/wattline-{LAST}-py3-none-any.whl
install -d -m 700 /etc/wattline
install -D -m 644 /srv/shared/{LAST}/root.pem /usr/local/share/wattline/root.pem
umask 077
cat > /etc/wattline/device.password
cat > /etc/wattline/device.env <<EOF
WATTLINE_DEVICE_BROKER__HOST=server
WATTLINE_DEVICE_BROKER__PORT=8884
WATTLINE_DEVICE_BROKER__TLS_CA=/usr/local/share/wattline/root.pem
WATTLINE_DEVICE_DEVICE_ID=$(hostname)
EOF
install -m 644 /srv/shared/{LAST}/wattline-device.service /etc/systemd/system/
systemctl daemon-reload
systemctl enable -q --now wattline-device
"""
"""docs/OPERATE.md of that release, *The Pi*, with the settings that docs/UPGRADE.md wants of it."""


async def as_operator(server: Machine, *words: str) -> str:
    """What the command `wattline` says to the operator, at the server."""
    return await server.run("sh", "-c", _AS_OPERATOR + shlex.join(words), timeout_s=600)


@dataclass
class Desk:
    """The publisher's: keys, and a folder that the server hands out to Pis; `public` is /srv/shared of machines."""

    publisher: Publisher
    wheel: Path
    others: Path

    @classmethod
    def begun(cls, folder: Path, wheel: Path, wheels: Path) -> "Desk":
        """Keys, and no release yet; what an agent needs besides is found in `wheels`."""
        folder.mkdir()
        others = folder / PLATFORM
        others.mkdir()
        pins = (TOP / "requirements/device.txt").read_text().splitlines()
        wanted = {tuple(line.split()[0].lower().replace("-", "_").split("==")) for line in pins if "==" in line}
        for path in wheels.glob("*.whl"):
            name, version, *_ = path.name.split("-")
            if (name.lower(), version) in wanted:
                (others / path.name).symlink_to(path)
        assert len(list(others.iterdir())) == len(wanted)
        publisher = Publisher.begun(folder)
        (folder / "1.root.json").write_bytes(publisher.first)
        return cls(publisher, wheel, others)

    @property
    def public(self) -> Path:
        """What may be handed out."""
        return self.publisher.folder / "public"

    @property
    def root(self) -> Path:
        """Whom Pis are to believe."""
        return self.publisher.folder / "1.root.json"

    def made(self, version: str, faults: Mapping[str, str] | None = None) -> Path:
        """A wheel of this checkout as that version, which nobody has signed; the same one each time."""
        found = next(self.publisher.folder.glob(f"wattline-{version}-*.whl"), None)
        return found or as_version(self.wheel, version, self.publisher.folder, faults)

    def publish(self, version: str, faults: Mapping[str, str] | None = None) -> None:
        """Sign a release."""
        publish(self.publisher, self.made(version, faults), self.others)


@dataclass
class Field:
    """The server and the Pis that stand at meters."""

    server: Machine
    pis: dict[str, Machine]
    desk: Desk

    async def operator(self, *words: str) -> str:
        """What the command `wattline` says to the operator, at the server."""
        return await as_operator(self.server, *words)

    async def asked(self, *words: str) -> Any:
        """... as JSON."""
        return json.loads(await self.operator(*words, "--json"))

    async def one(self, statement: str) -> str:
        """The first column of what the database answers."""
        words = ("runuser", "-u", "postgres", "--", "psql", "-XAt", "-c", statement, "wattline")
        return (await self.server.run(*words)).strip()

    async def hand_out_releases(self) -> None:
        """Serve the publisher's folder to the Pis."""
        await self.server.run(
            "systemd-run", "--unit=releases", "python3", "-m", "http.server", "8000", "-d", "/srv/shared"
        )

    async def install_last(self) -> None:
        """Have the last release's agent on each Pi, as its papers said: by hand, with a password."""
        place = self.desk.public / LAST
        place.mkdir()
        (place / released_wheel().name).write_bytes(released_wheel().read_bytes())
        (place / "device.txt").write_text(released_file("requirements/device.txt"))
        (place / "wattline-device.service").write_text(released_file("deploy/systemd/wattline-device.service"))
        (place / "root.pem").write_text(await self.server.run("cat /var/lib/wattline-gateway/ca/root.pem"))
        (place / "install").write_text(_BY_HAND)
        for name, pi in self.pis.items():
            add = f"/opt/wattline/bin/wattline broker add-user --folder /var/lib/mosquitto/wattline {name}"
            password = (await self.server.run(add)).strip()
            await pi.run(f"echo {shlex.quote(password)} | sh /srv/shared/{LAST}/install")

    async def look(self, name: str) -> Look:
        """What a Pi's agent tells of itself."""
        try:
            return look_of(await self.pis[name].run("python3", "-c", _METRICS))
        except AssertionError:
            return Look()

    async def reads(self, name: str, version: str) -> None:
        """Wait until a Pi's agent is of this version, reads its meter, and the store confirms it."""
        look = Look()
        # the last release tells none
        told = "" if version == LAST else version

        async def works() -> bool:
            nonlocal look
            look = await self.look(name)
            return look.version == told and look.connected and look.samples > 2 and look.confirmed > 2

        try:
            await until(works, timeout_s=120)
        except AssertionError:
            logs = await self.pis[name].run("journalctl -u 'wattline-*' -o cat -n 40 --no-pager")
            raise AssertionError(f"{name} is not well with {version}: {look}\n{logs}") from None
        if version == LAST:
            assert LAST in await self.pis[name].run("/opt/wattline/bin/wattline --version")

    async def whole(self) -> int:
        """Wait until all that any agent has numbered is in the store; returns how many messages that are."""
        boots = [boot for name in self.pis if (boot := (await self.look(name)).boot)]
        assert len(boots) == len(self.pis)

        async def none_lost() -> int:
            lost, _, messages = (await self.one(LEDGER)).partition("|")
            return int(messages) if (lost, await self.one(NO_HOLE)) == ("0", "0") else 0

        messages: int = await until(none_lost, "a whole ledger", timeout_s=120)
        await self.operator("audit")
        return messages

    async def settled(self) -> None:
        """Wait until no release is under way any more."""

        async def ended() -> bool:
            return bool((await self.asked("update", "status"))["stage"] is None)

        await until(ended, "the staged change ends", timeout_s=120)

    async def history(self, name: str, release: str) -> dict[str, Any]:
        """Each state that a Pi came into with a release, by its name."""
        found = await self.asked("update", "show", name)
        return {one["state"]: one for one in reversed(found["history"]) if one["release"] == release}
