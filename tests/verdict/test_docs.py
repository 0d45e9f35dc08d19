"""docs/verdict.md and the rules of the gate say the same."""

import re
from pathlib import Path

from llmbench.verdict import failed_requests, validity
from llmbench.verdict.gate.decisions import Policy
from llmbench.verdict.gate.tolerances import TOLERANCES
from llmbench.verdict.rules import Rules

PAGE = (Path(__file__).parents[2] / "docs" / "verdict.md").read_text(encoding="utf-8")


def test_every_rule_of_validity_has_a_row() -> None:
    modules = (validity, failed_requests)
    code = "".join(Path(str(m.__file__)).read_text(encoding="utf-8") for m in modules)
    rules = set(re.findall(r'Problem\(\s*"(\w+)"', code))
    table = PAGE.split("## Valid")[1].split("## Good enough")[0]
    rows = re.findall(r"^\| (`.+?) \|", table, flags=re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == rules


def test_every_tolerance_is_stated() -> None:
    text = re.sub(r"\s+", " ", PAGE)
    for metric, tolerance in TOLERANCES.items():
        limit = re.escape(f"{100 * tolerance:g} ")
        assert re.search(rf"`{metric}`[^;:]*?{limit}(%|points)", text), metric


def test_limits_that_the_page_states() -> None:
    rules, policy = Rules(), Policy()
    assert f"more than {rules.error_rate:.0%} failed".replace("%", " %") in PAGE
    assert f"under {rules.delivered_share:.0%} of the asked".replace("%", " %") in PAGE
    assert f"above {rules.client_lag_floor_ms:.0f} ms **and** above one time per token" in PAGE
    assert f"an error rate of {100 * policy.family_error:g} %" in PAGE
    assert f"of {policy.confidence:.0%} or the next higher".replace("%", " %") in PAGE
    assert f"up\n     to {policy.shared_drift:.0%}, is taken".replace("%", " %") in PAGE
