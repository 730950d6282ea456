"""The SQL of dashboards: a file a query, with other queries put in where their names stand in braces."""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from textwrap import indent
from typing import Literal

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import AnnotationTarget, DataSourceRef

TYPE = "postgres"
"""The data source's plugin; Grafana 10.1 and later know it under this alias."""
SOURCE = DataSourceRef(type_val=TYPE, uid="${datasource}")
Shape = Literal["table", "time_series"]


def load(name: str, parts: Mapping[str, str] | None = None) -> str:
    """The text of `grafana/queries/{name}.sql` with what it includes, Grafana's macros and variables untouched.

    A name in braces is a query's, or in `parts` what stands for it.
    """
    parts = parts or {}

    def included(found: re.Match[str]) -> str:
        return indent(load(parts.get(found.group(1), found.group(1)), parts), "    ")

    return re.sub(r"^\{(\w+)\}$", included, _text(name), flags=re.MULTILINE)


@cache
def _text(name: str) -> str:
    return (resources.files("grafana") / "queries" / f"{name}.sql").read_text("utf-8").strip()


class SqlQuery(Builder[Dataquery], Dataquery):
    """A query of the PostgreSQL data source, of which the SDK has no type."""

    def __init__(
        self,
        name: str,
        shape: Shape = "table",
        ref_id: str = "A",
        source: DataSourceRef = SOURCE,
        parts: Mapping[str, str] | None = None,
        **constants: int,
    ) -> None:
        sql = load(name, parts)
        # a rule has no variables: what are constants of a dashboard stand in its text
        for constant, value in constants.items():
            sql = sql.replace(f"${{{constant}:sqlstring}}", f"'{value}'")
        self._model: dict[str, object] = {
            "datasource": source,
            "editorMode": "code",
            "format": shape,
            "rawQuery": True,
            "rawSql": sql,
            "refId": ref_id,
        }

    def build(self) -> Dataquery:
        """The query itself."""
        return self

    def to_json(self) -> dict[str, object]:
        """As Grafana has it."""
        return self._model


class SqlAnnotation(AnnotationTarget):
    """The query of an annotation; the SDK types only those of Grafana's own store."""

    def __init__(self, name: str, marked: str) -> None:
        super().__init__()
        self._query = SqlQuery(name, ref_id="Anno", parts={"marked": marked})

    def to_json(self) -> dict[str, object]:
        """As Grafana has it."""
        return self._query.to_json()
