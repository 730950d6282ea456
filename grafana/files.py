"""The data source and the folder of dashboards as files of Grafana's provisioning; alerting has its own in build."""

from typing import Any

from grafana.settings import GrafanaSettings
from grafana.sql import TYPE

FOLDER = ("wattline", "Wattline")
"""Uid and title of the folder that holds the dashboards."""


def data_source(settings: GrafanaSettings, url: str, name: str, sslmode: str) -> dict[str, Any]:
    """The data source as Grafana's API and files both have it, but for its password."""
    return {
        "uid": settings.datasource_uid,
        "name": "Wattline",
        "type": TYPE,
        "access": "proxy",
        "url": url,
        "user": settings.db.user,
        "database": name,  # Grafana 9 reads it here, later versions below
        "jsonData": {
            "database": name,
            "sslmode": sslmode,
            "postgresVersion": 1500,
            "timescaledb": True,
            "maxOpenConns": 10,
            "maxIdleConns": 2,
            "connMaxLifetime": 3600,
        },
    }


def data_source_file(settings: GrafanaSettings) -> dict[str, Any] | None:
    """A file of provisioning/datasources: the database of the settings, or of Grafana's environment where none is set.

    The password always comes from Grafana's environment. None where the settings name a data source that is there.
    """
    database = settings.db
    if database.host is not None:
        source = escaped(data_source(settings, f"{database.host}:{database.port}", database.name, database.sslmode))
    elif settings.datasource_uid != GrafanaSettings.model_fields["datasource_uid"].default:
        return None
    else:
        place = ("$WATTLINE_DB_HOST:$WATTLINE_DB_PORT", "$WATTLINE_DB_NAME", "$WATTLINE_DB_SSLMODE")
        source = data_source(settings, *place)
    secret = {"password": "$WATTLINE_GRAFANA_DB_PASSWORD"}
    return {"apiVersion": 1, "datasources": [source | {"isDefault": True, "editable": False, "secureJsonData": secret}]}


def provider_file() -> dict[str, Any]:
    """A file of provisioning/dashboards: the folder of the dashboards' JSON files, as Grafana's process sees it."""
    uid, title = FOLDER
    provider = {
        "name": "wattline",
        "folder": title,
        "folderUid": uid,
        "type": "file",
        "disableDeletion": True,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 30,
        "options": {"path": "$WATTLINE_DASHBOARDS", "foldersFromFilesStructure": False},
    }
    return {"apiVersion": 1, "providers": [provider]}


def escaped(value: Any) -> Any:
    """With $ written as $$, because Grafana puts its environment into these."""
    if isinstance(value, dict):
        return {key: escaped(each) for key, each in value.items()}
    if isinstance(value, list):
        return [escaped(each) for each in value]
    return value.replace("$", "$$") if isinstance(value, str) else value
