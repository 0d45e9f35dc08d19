"""Renders the page of a run: one file that needs nothing else, not even a network."""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files as package_files
from itertools import groupby
from typing import Any

from msgspec import Struct

from llmbench.report.charts.gallery import GROUPS
from llmbench.report.page.details import Detail, Log, details, logs_of
from llmbench.report.page.headlines import headlines
from llmbench.report.page.host_facts import host_facts
from llmbench.report.page.listing import columns_of, rows_of, verdicts_of
from llmbench.report.page.pictures import Picture
from llmbench.report.page.run_facts import banners, chips, facts, meta, verdict_banner
from llmbench.report.read import RunData
from llmbench.report.terminal import classes_table, depth_table, turns_table
from llmbench.verdict import Verdict


class Group(Struct, frozen=True):
    """The charts under one heading."""

    title: str
    charts: tuple[Picture, ...]


def render(data: RunData, pictures: Sequence[Picture], verdict: Verdict | None = None) -> str:
    """The page's HTML; every text of the run is escaped by Jinja2."""
    logs: tuple[Log, ...] = logs_of(data)
    cells: tuple[Detail, ...] = details(data, logs)
    page: str = (
        environment()
        .get_template("page.html.j2")
        .render(
            title=data.run.path.resolve().name,
            chips=chips(data),
            facts=facts(data),
            banners=[*banners(data), *verdict_banner(verdict)],
            headlines=headlines(data),
            columns=columns_of(data.merged),
            rows=rows_of(data.merged),
            verdicts=verdicts_of(data.merged),
            cache_columns=turns_table.CACHE_COLUMNS,
            cache_rows=turns_table.cache_rows(data.results),
            depth_columns=depth_table.COLUMNS,
            depth_rows=depth_table.depth_rows(data.results),
            depth_meaning=depth_table.MEANING,
            groups=_groups(pictures),
            host=host_facts(data),
            meta=meta(data),
            logs=logs,
            details=cells,
            turn_columns=turns_table.COLUMNS,
            turns_meaning=turns_table.MEANING,
            class_columns=classes_table.COLUMNS,
            classes_meaning=classes_table.MEANING,
            **script_and_style(),
            made_by=f"Made by pytest-llmbench {data.info.harness}",
        )
    )
    return page


def _groups(pictures: Sequence[Picture]) -> list[Group]:
    return [
        Group(GROUPS[name], tuple(marked(list(some))))
        for name, some in groupby(pictures, key=lambda picture: picture.group)
    ]


def marked(pictures: Sequence[Picture]) -> list[Picture]:
    """`pictures` with their markup marked, so that Jinja2 leaves it as it is."""
    from markupsafe import Markup

    return [Picture(p.name, p.group, Markup(p.body), Markup(p.narrow)) for p in pictures]


def script_and_style() -> dict[str, Any]:
    """The style and script of every page, and the hash with which its policy admits the script."""
    from markupsafe import Markup

    script = _template("page.js")
    digest = hashlib.sha256(script.encode()).digest()
    return {
        "css": Markup(_template("style.css")),
        "script": Markup(script),
        "script_hash": base64.b64encode(digest).decode(),
    }


def environment() -> Any:
    """Jinja2's environment; it escapes every text, and an undefined name is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("llmbench.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _template(name: str) -> str:
    return (package_files("llmbench.report.page") / "templates" / name).read_text(encoding="utf-8")
