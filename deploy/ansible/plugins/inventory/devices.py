"""Ansible's inventory of the devices that a Wattline platform knows, in the platform's own groups."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from ansible.errors import AnsibleParserError
from ansible.module_utils.urls import open_url
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable

DOCUMENTATION = """
name: devices
author: The Wattline authors
short_description: Devices of a Wattline platform
version_added: 0.2.0
description:
  - Asks the gateway's API for its devices, which are hosts of the group O(group), and for its groups, which are groups
    of Ansible's, with C(-) and C(.) in their names as C(_).
  - Each host has C(wattline_labels), C(wattline_software), C(wattline_online), C(wattline_in_step),
    C(wattline_config_state), C(wattline_specs), C(wattline_last_seen_at). C(compose) and C(keyed_groups) make of these
    what Ansible needs, such as C(ansible_host) of a label.
  - The file's name ends in C(devices.yml) or C(devices.yaml).
options:
  plugin:
    description: C(wattline.platform.devices).
    required: true
    choices: [wattline.platform.devices]
  url:
    description: Where the gateway is, as C(https://wattline.example:8080).
    required: true
    env:
      - name: WATTLINE_URL
  token_file:
    description: A file with a token; the role viewer does. Without one the token is taken from the environment.
    type: path
  token:
    description: The token itself.
    env:
      - name: WATTLINE_TOKEN
  authority:
    description: The platform's root.pem, where this machine does not know its authority.
    type: path
    env:
      - name: SSL_CERT_FILE
  selector:
    description: Only devices with these labels, as C(site=warsaw,model!=pi3).
  online:
    description: Only devices that are online, or that are not.
    type: bool
  revoked:
    description: Also devices whose logins have been ended.
    type: bool
    default: false
  group:
    description: The group of all of them.
    default: wattline_pi
  timeout_s:
    description: How long an answer may take, in seconds.
    type: int
    default: 30
extends_documentation_fragment:
  - constructed
"""

EXAMPLES = """
plugin: wattline.platform.devices
url: https://wattline.example:8080
token_file: ~/.config/wattline/token
authority: root.pem
selector: site=warsaw
compose:
  ansible_host: wattline_labels.address | default(inventory_hostname)
keyed_groups:
  - key: wattline_labels.site
    prefix: site
"""
PAGE = 1000
FACTS = ("labels", "software", "online", "in_step", "config_state", "specs", "last_seen_at")


class InventoryModule(BaseInventoryPlugin, Constructable):
    """Reads devices and groups over the API, page by page."""

    NAME = "wattline.platform.devices"

    def verify_file(self, path: str) -> bool:
        """Whether a file is one of ours, by its name."""
        return bool(super().verify_file(path)) and path.endswith(("devices.yml", "devices.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill the inventory. Raises AnsibleParserError, which names what to mend."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        token = self._token()
        group = inventory.add_group(self.get_option("group"))
        query = {"selector": self.get_option("selector"), "online": self.get_option("online")}
        known = set()
        for device in self._items("devices", token, {name: _text(value) for name, value in query.items()}):
            if device["revoked"] and not self.get_option("revoked"):
                continue
            known.add(device["device"])
            self._add(inventory, group, device)
        for one in self._items("groups", token, {}):
            name = inventory.add_group(self._sanitize_group_name(one["group"]))
            for device in self._items(f"groups/{quote(one['group'], safe='')}/devices", token, {}):
                if device in known:
                    inventory.add_host(device, group=name)

    def _add(self, inventory: Any, group: str, device: dict[str, Any]) -> None:
        name = inventory.add_host(device["device"], group=group)
        facts = {f"wattline_{fact}": device[fact] for fact in FACTS}
        for fact, value in facts.items():
            inventory.set_variable(name, fact, value)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), facts, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), facts, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), facts, name, strict=strict)

    def _token(self) -> str:
        file = self.get_option("token_file")
        if not file:
            return str(self.get_option("token") or "")
        try:
            return Path(os.path.expanduser(file)).read_text("utf-8").strip()  # noqa: PTH111 - `~` of Ansible's paths
        except (OSError, ValueError) as error:
            raise AnsibleParserError(f"token_file: can't read {file}: {error}") from error

    def _items(self, path: str, token: str, query: dict[str, str | None]) -> Iterator[Any]:
        """What is listed there, over all pages."""
        asked = {name: value for name, value in query.items() if value is not None} | {"limit": str(PAGE)}
        while True:
            page = self._get(f"{path}?{urlencode(asked)}", token)
            yield from page["items"]
            if page["next"] is None:
                return
            asked["cursor"] = page["next"]

    def _get(self, path: str, token: str) -> dict[str, Any]:
        url = f"{str(self.get_option('url')).rstrip('/')}/api/v1/{path}"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            with open_url(
                url, headers=headers, timeout=self.get_option("timeout_s"), ca_path=self.get_option("authority")
            ) as answer:
                document = json.load(answer)
        except Exception as error:
            raise AnsibleParserError(f"{url.partition('?')[0]}: {_why(error)}") from error
        if not isinstance(document, dict) or "items" not in document:
            raise AnsibleParserError(f"{url.partition('?')[0]}: this is no Wattline gateway; is `url` right?")
        return document


def _text(value: Any) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _why(error: Exception) -> str:
    """What to mend, as far as an error tells it."""
    status = getattr(error, "code", None)
    if status in (401, 403):
        return f"{status}: give `token_file` or WATTLINE_TOKEN a token of the platform (`wattline token create`)"
    if status == 422:
        return f"422: is `selector` right? {_detail(error)}"
    return f"{error}"


def _detail(error: Any) -> str:
    try:
        document = json.load(error)
    except (OSError, ValueError, AttributeError):
        return ""
    reasons = "; ".join(str(one.get("reason", one)) for one in document.get("errors", ()))
    return reasons or str(document.get("detail", ""))
