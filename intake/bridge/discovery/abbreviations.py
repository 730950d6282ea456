"""The short forms that Home Assistant's MQTT discovery allows, of the keys that matter for meters.

Source: Home Assistant's documentation of MQTT discovery, "Supported abbreviations"; what is not here is left as it is.
"""

from collections.abc import Mapping
from typing import Any, Final

_KEYS: Final = {
    "avty_t": "availability_topic",
    "cmps": "components",
    "dev": "device",
    "dev_cla": "device_class",
    "e": "encoding",
    "en": "enabled_by_default",
    "ent_cat": "entity_category",
    "exp_aft": "expire_after",
    "lrst_t": "last_reset_topic",
    "lrst_val_tpl": "last_reset_value_template",
    "o": "origin",
    "obj_id": "object_id",
    "p": "platform",
    "stat_cla": "state_class",
    "stat_t": "state_topic",
    "uniq_id": "unique_id",
    "unit_of_meas": "unit_of_measurement",
    "val_tpl": "value_template",
}
_DEVICE_KEYS: Final = {
    "cns": "connections",
    "cu": "configuration_url",
    "hw": "hw_version",
    "ids": "identifiers",
    "mdl": "model",
    "mdl_id": "model_id",
    "mf": "manufacturer",
    "sa": "suggested_area",
    "sn": "serial_number",
    "sw": "sw_version",
}
_ORIGIN_KEYS: Final = {"sw": "sw_version", "url": "support_url"}


def written_out(document: Mapping[str, Any]) -> dict[str, Any]:
    """A discovery document with its keys in full and `~` in topics replaced by the base topic.

    The base stands for `~` at the beginning or the end of a value whose key ends with `topic`.
    """
    plain = {_KEYS.get(key, key): value for key, value in document.items()}
    base = plain.get("~")
    for name, keys in (("device", _DEVICE_KEYS), ("origin", _ORIGIN_KEYS)):
        if isinstance(inner := plain.get(name), Mapping):
            plain[name] = {keys.get(key, key): value for key, value in inner.items()}
    if isinstance(base, str):
        plain = {key: _based(key, value, base) for key, value in plain.items()}
    return plain


def _based(key: str, value: Any, base: str) -> Any:
    if not key.endswith("topic") or not isinstance(value, str):
        return value
    if value.startswith("~"):
        return base + value[1:]
    return value[:-1] + base if value.endswith("~") else value
