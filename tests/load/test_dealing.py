"""Which instance a request goes to."""

import pytest

from llmbench.apis import dialect
from llmbench.load.loops.dealing import Dealer
from llmbench.load.plan.planned_request import PlannedRequest
from llmbench.load.wire.target import Target
from llmbench.records import ClientSettings, Deal, Endpoint, Launch


def dealer(instances: int, deal: Deal = "round robin") -> Dealer:
    client, launch = ClientSettings(deal=deal), Launch("remote", 0)
    api = "openai-completions"
    endpoints = [
        Endpoint(f"http://127.0.0.1:{k + 1}", api, "m", True, launch, client)
        for k in range(instances)
    ]
    return Dealer([Target(endpoint, dialect(api)) for endpoint in endpoints])


def planned(user: int, request: int = 1) -> PlannedRequest:
    return PlannedRequest(user, request, "measured", 0, 1, 1, 1, b"")


def test_users_stay_with_their_instance() -> None:
    dealing = dealer(3)
    assert [dealing.begin(planned(user)) for user in (1, 2, 3, 4)] == [0, 1, 2, 0]
    assert list(dealing.targets_of(5)) == [1]


def test_arrivals_go_in_turn() -> None:
    dealing = dealer(3)
    assert [dealing.begin(planned(0, request)) for request in (1, 2, 3, 4)] == [0, 1, 2, 0]
    assert list(dealing.targets_of(0)) == [0, 1, 2]


def test_the_least_busy_is_chosen_and_others_in_turn() -> None:
    dealing = dealer(3, "least busy")
    assert [dealing.begin(planned(1)) for _ in range(4)] == [0, 1, 2, 0]
    dealing.end(2)
    assert [dealing.begin(planned(1)) for _ in range(2)] == [2, 1]


@pytest.mark.parametrize("deal", ["round robin", "least busy"])
def test_one_instance_gets_all(deal: Deal) -> None:
    dealing = dealer(1, deal)
    assert [dealing.begin(planned(user)) for user in (1, 2, 0)] == [0, 0, 0]
