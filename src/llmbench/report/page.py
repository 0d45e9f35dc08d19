"""The page of a run: one file that needs nothing else, not even a network."""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files as package_files
from itertools import groupby
from typing import Any

from msgspec import Struct

from llmbench.report.charts.gallery import GROUPS
from llmbench.report.details import Detail, Log, details, logs_of
from llmbench.report.facts import banners, chips, facts, meta
from llmbench.report.findings import headlines
from llmbench.report.gather import RunData
from llmbench.report.listing import COLUMNS, listing, verdicts
from llmbench.report.pictures import Picture


class Group(Struct, frozen=True):
    """Charts under one heading."""

    title: str
    charts: tuple[Picture, ...]


def render(data: RunData, pictures: Sequence[Picture]) -> str:
    """The page's HTML; every text of the run is escaped by Jinja2."""
    logs: tuple[Log, ...] = logs_of(data)
    cells: tuple[Detail, ...] = details(data, logs)
    script = _template("page.js")
    page: str = _environment().get_template("page.html.j2").render(
        title=data.run.path.resolve().name,
        css=_safe(_template("style.css")),
        script=_safe(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        chips=chips(data),
        facts=facts(data),
        banners=banners(data),
        headlines=headlines(data),
        columns=COLUMNS,
        rows=listing(data),
        verdicts=verdicts(data),
        groups=_groups(pictures),
        meta=meta(data),
        logs=logs,
        details=cells,
        made_by=f"Made by pytest-llmbench {data.info.harness}",
    )  # fmt: skip
    return page


def _groups(pictures: Sequence[Picture]) -> list[Group]:
    from markupsafe import Markup

    return [
        Group(GROUPS[name], tuple(Picture(p.name, p.group, Markup(p.body)) for p in some))
        for name, some in groupby(pictures, key=lambda picture: picture.group)
    ]


def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("llmbench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _template(name: str) -> str:
    return (package_files("llmbench.report") / "templates" / name).read_text(encoding="utf-8")


def _safe(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)
