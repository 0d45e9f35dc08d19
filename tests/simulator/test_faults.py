import re
from pathlib import Path

import pytest

from llmbench.config import ConfigError
from llmbench.simulator.faults import FAULTS, FaultPlan, manner_of
from llmbench.simulator.manner import Manner

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"


def test_the_page_and_the_code_list_the_same_faults() -> None:
    rows = re.findall(r"^\| `([\w.-]+)` \| (.+?) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    assert dict(rows) == {name: fault.what for name, fault in FAULTS.items()}


def test_no_fault_is_a_healthy_server() -> None:
    assert manner_of(None) == manner_of("none") == Manner()
    assert Manner().healthy


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_fault_changes_something(name: str) -> None:
    assert manner_of(name) != Manner()


def test_faults_can_be_taken_together() -> None:
    manner = manner_of("crlf+no-usage")
    assert (manner.newline, manner.usage) == (b"\r\n", False)


def test_an_unknown_fault_names_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"^server\.fault: unknown fault 'stal'; did you mean 'stall'\?"
    ):
        manner_of("stal")


def test_a_share_of_the_requests_is_faulty_by_the_seed() -> None:
    plan = FaultPlan.parse("http-500:0.1", seed=3)
    faulty = [number for number in range(2000) if plan.manner(number).status == 500]
    assert faulty == [
        n for n in range(2000) if FaultPlan.parse("http-500:0.1", 3).manner(n).status == 500
    ]
    assert len(faulty) == pytest.approx(200, abs=40)


def test_without_a_share_every_request_is_faulty() -> None:
    plan = FaultPlan.parse("stall", seed=3)
    assert all(plan.manner(number).ending == "stall" for number in range(100))


@pytest.mark.parametrize("share", ["2", "-0.1", "often"])
def test_a_share_that_is_none(share: str) -> None:
    with pytest.raises(ConfigError, match=f"{share}' is not a share; write it like stall:0.1"):
        FaultPlan.parse(f"stall:{share}", seed=0)
