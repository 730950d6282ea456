"""Ansible's inventory plugin against a real gateway: devices by group, and what goes wrong, in plain words."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from deploy.local.ansible import Ansible, provide_ansible
from deploy.local.settings import LocalSettings
from tests.rigs.access import ROOT, ask
from tests.rigs.gateway import Gateway, gateway, gateway_settings, watching
from tests.rigs.parameters import register
from tests.rigs.servers import Broker, Database


@dataclass(frozen=True)
class Inventory:
    """A folder with our collection, from which Ansible is asked."""

    ansible: Ansible
    folder: Path

    async def listed(self, token: str | None = ROOT, **options: Any) -> tuple[dict[str, Any], str]:
        """What `ansible-inventory --list` says of a file with these options, and its complaints."""
        file = self.folder / "devices.yml"
        file.write_text(json.dumps({"plugin": "wattline.platform.devices", **options}))  # JSON is YAML
        environment = self.ansible.environment(self.folder, self.folder)
        environment |= {"ANSIBLE_INVENTORY_UNPARSED_FAILED": "1"} | ({"WATTLINE_TOKEN": token} if token else {})
        process = await asyncio.create_subprocess_exec(
            self.ansible.bin / "ansible-inventory", "-i", file, "--list", env=environment, cwd=self.folder,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, wrong = await process.communicate()
        # whatever came from outside is marked, so that Ansible takes it for no template
        found = json.loads(said, object_hook=lambda one: one.get("__ansible_unsafe", one)) if said else {}
        return found if process.returncode == 0 else {}, wrong.decode()


@pytest.fixture
async def inventory(tmp_path: Path) -> Inventory:
    """Ansible with our collection."""
    ansible = await asyncio.to_thread(provide_ansible, LocalSettings(), print)
    await asyncio.to_thread(ansible.install_collection, tmp_path)
    return Inventory(ansible, tmp_path)


async def _change(running: Gateway, method: str, path: str, body: Any = None) -> None:
    status, document, _ = await ask(running, method, f"{path}?author=eva", ROOT, json=body)
    assert status == 200, document


async def test_devices_are_hosts_in_the_platform_s_groups(
    broker: Broker, database: Database, inventory: Inventory, tmp_path: Path
) -> None:
    """Over TLS by the platform's authority: groups, labels, selectors, page by page; the revoked are left out."""
    settings = gateway_settings(
        broker, database, api_token=SecretStr(ROOT), http_host="0.0.0.0", ca={"folder": tmp_path / "ca"},
        enrolment={"host": "127.0.0.1", "port": 0},
    )  # fmt: skip
    async with watching(broker) as seen, gateway(settings) as running:
        await register(broker, seen, "d1", "d2", "d3", "d4")
        await _change(running, "PATCH", "/devices/d1/labels", {"site": "warsaw", "address": "10.1.1.1"})
        await _change(running, "PATCH", "/devices/d2/labels", {"site": "gdynia"})
        await _change(running, "PUT", "/groups/first-wave", {"selector": "site"})
        await _change(running, "POST", "/devices/d4/credentials:revoke")
        url, authority = running.url, str(tmp_path / "ca/root.pem")
        found, _ = await inventory.listed(
            url=url, authority=authority, keyed_groups=[{"key": "wattline_labels.site", "prefix": "site"}],
            compose={"ansible_host": "wattline_labels.address | default(inventory_hostname)"},
        )  # fmt: skip
        assert found["wattline_pi"]["hosts"] == ["d1", "d2", "d3"]
        assert found["first_wave"]["hosts"] == ["d1", "d2"]
        assert (found["site_warsaw"]["hosts"], found["site_gdynia"]["hosts"]) == (["d1"], ["d2"])
        of_d1 = found["_meta"]["hostvars"]["d1"]
        assert (of_d1["ansible_host"], of_d1["wattline_labels"]["site"]) == ("10.1.1.1", "warsaw")
        assert of_d1["wattline_in_step"] is False
        token = tmp_path / "token"
        token.write_text(f"{ROOT}\n")
        found, _ = await inventory.listed(
            None, url=url, authority=authority, token_file=str(token), selector="site=gdynia", revoked=True
        )
        assert found["wattline_pi"]["hosts"] == ["d2"]
        assert found["first_wave"]["hosts"] == ["d2"], "who is not selected is in no group"
        for changes, complaint in (
            ({"token": "guessed"}, "wattline token create"),
            ({"selector": "site="}, "is `selector` right?"),
            ({"authority": None}, "certificate verify failed"),
            ({"token_file": str(tmp_path / "none")}, "token_file: can't read"),
        ):
            words: dict[str, Any] = {"url": url, "authority": authority, **changes}
            found, wrong = await inventory.listed(**words)
            assert found == {}
            assert complaint in " ".join(wrong.split()), wrong
