"""RMQTT, a broker that clusters by raft: built once into the cache, and three nodes of it on the loopback."""

import asyncio
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from broker.contract.identity import MONITOR, ROLES
from broker.contract.topics import Topics
from broker.errors import PermanentError
from broker.mosquitto.rights import Act, device_grants, every_device_grants, role_grants
from deploy.local.answers import mqtt_answers
from deploy.local.locks import file_lock
from deploy.local.process import HOST, ServerError, ServerProcess, free_port
from deploy.local.settings import LocalSettings

VERSION: Final = "0.24.0"
NODES: Final = 3
APART_S: Final = 0.7
"""Between two nodes' starts: a node that finds no other makes itself the leader of a cluster of its own."""
_BUILD_S: Final = 3 * 3600.0
_START_S: Final = 60.0
_PROFILE: Final = {
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
    "CARGO_PROFILE_RELEASE_STRIP": "symbols",
}
Say = Callable[[str], None]


def provide(settings: LocalSettings, say: Say) -> Path:
    """The broker's program, built first where the cache has none, which takes half an hour. Raises PermanentError."""
    folder = settings.cache / f"rmqtt-{VERSION}"
    program = folder / "bin" / "rmqttd"
    if program.exists():
        return program
    settings.cache.mkdir(parents=True, exist_ok=True, mode=0o755)
    with file_lock(settings.cache / f"{folder.name}.lock", lambda: say("waiting for another run that builds RMQTT")):
        if not program.exists():
            _build(folder, say)
    return program


def _build(folder: Path, say: Say) -> None:
    for name, package in (("cargo", "cargo or rustup"), ("protoc", "protobuf-compiler")):
        if shutil.which(name) is None:
            raise PermanentError(f"RMQTT is built from its crate, and there is no {name}: install {package}")
    command = [*_idly(), "cargo", "install", "rmqttd", "--version", VERSION, "--locked", "-j2", "--root", str(folder)]
    environment = os.environ | _PROFILE | {"CARGO_TARGET_DIR": str(folder / "target")}
    folder.mkdir(parents=True, exist_ok=True)
    log, began = folder / "build.log", time.monotonic()
    say(f"building RMQTT {VERSION}, once, in half an hour or so; what it says is in {log}")
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            while process.poll() is None:
                if time.monotonic() - began > _BUILD_S:
                    raise PermanentError(f"RMQTT was not built in {_BUILD_S / 3600:.0f} h: {log}")
                time.sleep(20)
                crates = len(re.findall(rb"Compiling", log.read_bytes()))
                say(f"RMQTT: {crates} of about 580 crates after {(time.monotonic() - began) / 60:.0f} min")
        finally:
            process.kill()
            process.wait()
    if process.returncode:
        raise PermanentError(f"RMQTT can't be built: {log.read_text(errors='replace')[-400:]}")
    shutil.rmtree(folder / "target", ignore_errors=True)


def _idly() -> list[str]:
    words = ["nice", "-n", "19"]
    return [*words, "ionice", "-c3"] if shutil.which("ionice") else words


class Node:
    """One node; its folder holds its configuration, and its sessions (sled)."""

    def __init__(self, program: Path, folder: Path, number: int) -> None:
        self.folder = folder
        self.number = number
        self.host = HOST
        self.port = free_port()
        self.grpc_port, self.raft_port = free_port(), free_port()
        self._process = ServerProcess(
            [program, "-f", folder / "rmqtt.toml"], folder, orphan_signal="KILL", as_owner=True
        )

    @property
    def pid(self) -> int | None:
        """Its process id while it lives."""
        return self._process.pid

    @property
    def log_path(self) -> Path:
        """Its log."""
        return self._process.log_path

    async def start(self, password: str) -> None:
        """Start it and wait until it lets the monitor in."""

        async def ready() -> bool:
            return await mqtt_answers(self.host, self.port, MONITOR, password)

        await self._process.start(ready, timeout_s=_START_S)

    async def kill(self) -> None:
        """End it as kill -9 does."""
        await self._process.kill()

    async def stop(self) -> None:
        """End it in order."""
        await self._process.stop(signal.SIGTERM, timeout_s=20)


class Cluster:
    """Three nodes with Wattline's users and their rights; `host()` is what BROKER__HOST is to be."""

    def __init__(self, program: Path, folder: Path, devices: tuple[str, ...]) -> None:
        self.topics = Topics()
        self.credentials = {user: secrets.token_urlsafe(16) for user in (*ROLES, *devices)}
        self.nodes = [Node(program, folder / f"rmqtt-{number}", number) for number in range(1, NODES + 1)]

    def host(self, first: int) -> str:
        """All nodes with their ports, beginning with the one of this number (from 0)."""
        nodes = (*self.nodes[first % NODES :], *self.nodes[: first % NODES])
        return ",".join(f"{node.host}:{node.port}" for node in nodes)

    async def start(self) -> None:
        """Start all nodes: one after the other, as a lone one makes itself the leader."""
        for node in self.nodes:
            self._configure(node)
        starting = []
        for node in self.nodes:
            starting.append(asyncio.create_task(self.start_node(node)))
            await asyncio.sleep(APART_S)
        await asyncio.gather(*starting)

    async def start_node(self, node: Node) -> None:
        """Start one of them, for the first time or again; as under a supervisor, once more where it ends by itself.

        A node that comes back ends while the others still take it for their leader.
        """
        deadline = time.monotonic() + _START_S
        while True:
            try:
                return await node.start(self.credentials[MONITOR])
            except ServerError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(1)

    async def kill(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            await node.kill()

    def _configure(self, node: Node) -> None:
        plugins = node.folder / "plugins"
        plugins.mkdir(parents=True)
        peers = {
            name: [f"{n.number}@{HOST}:{getattr(n, name)}" for n in self.nodes] for name in ("grpc_port", "raft_port")
        }
        (node.folder / "rmqtt.toml").write_text(_NODE.format(node=node, host=HOST, plugins=plugins))
        (plugins / "rmqtt-cluster-raft.toml").write_text(
            f"node_grpc_addrs = {peers['grpc_port']}\nraft_peer_addrs = {peers['raft_port']}\n"
            "leader_id = 0\nraft.grpc_reuseaddr = true\n"
        )
        (plugins / "rmqtt-session-storage.toml").write_text(
            f'storage.type = "sled"\nstorage.sled.path = "{node.folder}/sessions"\n'
            'storage.sled.cache_capacity = "32M"\n'
        )
        (plugins / "rmqtt-retainer.toml").write_text('storage.type = "ram"\n')
        (plugins / "rmqtt-acl.toml").write_text(self._rules())

    def _rules(self) -> str:
        """Our rights in RMQTT's words; a group's filter is judged without its `$share/name/`."""
        rules = [
            f'["allow", {{ user = "{u}", password = "{word}" }}, "connect"]' for u, word in self.credentials.items()
        ]
        rules.append('["deny", "all", "connect"]')
        roles = role_grants(self.topics)
        for user in self.credentials:
            own = (*device_grants(self.topics, user), *every_device_grants(self.topics))
            rules += [
                f'["allow", {{ user = "{user}" }}, "{_HOW[grant.act]}", ["{grant.topic}"]]'
                for grant in (roles[user] if user in ROLES else own)
                if grant.act in _HOW and not grant.topic.startswith(("$CONTROL", "$share"))
            ]
        rules.append('["deny", "all"]')
        return "disconnect_if_pub_rejected = false\nrules = [\n  " + ",\n  ".join(rules) + "\n]\n"


_HOW: Final = {Act.SUBSCRIBE: "subscribe", Act.PUBLISH: "publish"}
_NODE: Final = """node.id = {node.number}
rpc.server_addr = "{host}:{node.grpc_port}"
log.to = "console"
log.level = "warn"
log.dir = "{node.folder}"
log.file = "unused.log"
plugins.dir = "{plugins}"
plugins.default_startups = [
  "rmqtt-retainer", "rmqtt-cluster-raft", "rmqtt-session-storage", "rmqtt-shared-subscription", "rmqtt-acl"
]
plugins.disabled_default_startups = ["rmqtt-http-api"]
listener.tcp.external.addr = "{host}:{node.port}"
listener.tcp.external.allow_anonymous = false
listener.tcp.external.max_inflight = 1000
listener.tcp.external.max_mqueue_len = 100000
listener.tcp.external.session_expiry_interval = "2h"
listener.tcp.external.max_session_expiry_interval = "8d"
listener.tcp.external.message_expiry_interval = "7d"
"""
