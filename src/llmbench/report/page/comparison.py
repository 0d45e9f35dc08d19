"""The page of a comparison, which is one file like the page of a run."""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from llmbench.verdict import Verdict

_KINDS = {"PASS": "valid", "INCONCLUSIVE": "misses"}


def comparison_page(verdict: Verdict) -> str:
    """The HTML of `verdict`: a chart of each gated metric's change, and a table of all changes."""
    from llmbench.report.charts import against_baseline
    from llmbench.report.numbers import number
    from llmbench.report.page.pictures import picture
    from llmbench.report.page.render import environment, marked, script_and_style

    with TemporaryDirectory() as folder:
        drawn = picture(partial(against_baseline.chart, verdict), Path(folder))
    page: str = (
        environment()
        .get_template("comparison.html.j2")
        .render(
            verdict=verdict,
            kinds=_KINDS,
            number=number,
            css=script_and_style()["css"],
            chart=next(iter(marked([drawn] if drawn else [])), None),
        )
    )
    return page
