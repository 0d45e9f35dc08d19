"""More than one worker: the same load, the same records, and what becomes of a dead one."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from llmbench.cells import Arrivals, Ramp, Users
from llmbench.config import ConfigError
from llmbench.load.progress import Progress
from llmbench.load.workers import dask, processes
from llmbench.records import RequestRecord
from llmbench.servers.placement.sysfs import usable_cores
from tests.load.other_machine import shift_clocks
from tests.load.serving import Load, endpoint


def asked(records: list[RequestRecord]) -> list[tuple[object, ...]]:
    """What was asked of the server, by whom."""
    return sorted((r.user, r.request, r.phase, r.prompt_index) for r in records)


def test_two_workers_ask_the_same_as_one(simulator: str, load: Load) -> None:
    shape = Users(5, 3)
    alone = Load(load.run.path / "alone")(endpoint(simulator), shape, warmup_per_user=1)
    both = load(endpoint(simulator), shape, warmup_per_user=1, workers=2)
    assert [record.error for record in alone + both] == [None] * 40
    assert asked(both) == asked(alone)
    assert {record.worker for record in both} == {0, 1}
    assert load.cell_run is not None
    assert (load.cell_run.workers, load.cell_run.workers_lost) == (2, ())
    assert load.cell_run.client_cpu_ns > 0


def test_two_workers_keep_one_schedule(simulator: str, load: Load) -> None:
    shape = Arrivals(rate_per_s=100, requests=40)
    alone = Load(load.run.path / "alone")(endpoint(simulator), shape)
    both = load(endpoint(simulator), shape, workers=2)

    def schedule(records: list[RequestRecord]) -> list[int]:
        first = min(record.scheduled_ns for record in records)
        return [round((record.scheduled_ns - first) / 1e6) for record in records]

    assert asked(both) == asked(alone)
    assert schedule(both) == pytest.approx(schedule(alone), abs=1)


def test_progress_is_of_all_workers(simulator: str, load: Load) -> None:
    seen: list[Progress] = []
    load(endpoint(simulator), Users(4, 3), workers=2, progress=seen.append)
    assert (seen[-1].done, seen[-1].total, seen[-1].output_tokens) == (12, 12, 96)


@pytest.mark.skipif(len(usable_cores()) < 2, reason="needs two cores")
def test_each_worker_has_a_core_of_its_own(simulator: str, load: Load) -> None:
    cores, seen = usable_cores()[:2], set[tuple[int, ...]]()

    def look(progress: Progress) -> None:
        if progress.in_flight:
            seen.update(tuple(os.sched_getaffinity(child)) for child in children())

    load(endpoint(simulator), Users(2, None, duration_s=1), workers=2, cores=cores, progress=look)
    assert seen == {(cores[0],), (cores[1],)}


def test_a_dead_worker_keeps_what_was_recorded(simulator: str, load: Load) -> None:
    killed = threading.Event()

    def kill_one(progress: Progress) -> None:
        if progress.done >= 8 and not killed.is_set():
            killed.set()
            os.kill(children()[0], signal.SIGKILL)

    records = load(endpoint(simulator), Users(2, 500), workers=2, progress=kill_one)
    assert load.cell_run is not None
    (lost,) = load.cell_run.workers_lost
    assert lost.startswith("worker ") and "terminated abruptly" in lost
    kinds = [record.error_kind for record in records]
    assert kinds.count("worker_died") == 1
    assert kinds.count(None) >= 8
    assert children() == []


def test_a_worker_that_stands_still_is_ended_and_keeps_what_was_recorded(
    simulator: str, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "SILENT_S", 2.0)
    stopped = threading.Event()

    def stop_one(progress: Progress) -> None:
        if progress.done >= 8 and not stopped.is_set():
            stopped.set()
            os.kill(children()[0], signal.SIGSTOP)

    records = load(endpoint(simulator), Users(2, 5000), workers=2, progress=stop_one)
    assert load.cell_run is not None
    (lost,) = load.cell_run.workers_lost
    assert lost.endswith(" died: it said nothing for 2 s and was ended")
    kinds = [record.error_kind for record in records]
    assert kinds.count("worker_died") == 1
    assert kinds.count(None) >= 8
    assert children() == []


def test_a_ramp_of_two_workers_ends_when_all_are_done(simulator: str, load: Load) -> None:
    shape = Ramp((1, 2, 3), step_s=0.3, stop_when_flat=False)
    records = load(endpoint(simulator), shape, workers=2)
    assert {record.user for record in records} == {1, 2, 3}
    assert load.cell_run is not None
    assert [users for users, _ in load.cell_run.step_ends_ns] == [1, 2, 3]


def test_a_server_that_died_ends_all_workers(simulator: str, load: Load) -> None:
    answers = iter([None, "exit code 137"])
    shape = Users(2, None, duration_s=60)
    load(endpoint(simulator), shape, workers=2, died=lambda: next(answers, "exit code 137"))
    assert load.cell_run is not None
    assert load.cell_run.server_died == "exit code 137"


def test_no_workers_is_refused(simulator: str, load: Load) -> None:
    with pytest.raises(ConfigError, match="0 workers can't carry a load"):
        load(endpoint(simulator), workers=0)


def test_a_plan_that_makes_no_sense_is_refused_before_any_start(simulator: str, load: Load) -> None:
    with pytest.raises(ConfigError, match="give requests for each user, or a duration"):
        load(endpoint(simulator), Users(2, None), workers=2)
    assert children() == []


def children() -> list[int]:
    """Processes of our own that carry a load."""
    import psutil

    return [
        child.pid
        for child in psutil.Process().children()
        if "spawn_main" in " ".join(child.cmdline())
    ]


@pytest.fixture
def cluster() -> Iterator[str]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as made:
        yield made.scheduler_address


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_cluster_asks_the_same_as_one_worker(cluster: str, simulator: str, load: Load) -> None:
    shape = Users(4, 3)
    seen: list[Progress] = []
    alone = Load(load.run.path / "alone")(endpoint(simulator), shape)
    spread = load(endpoint(simulator), shape, workers=2, cluster=cluster, progress=seen.append)
    assert [record.error for record in spread] == [None] * 12
    assert asked(spread) == asked(alone)
    assert {record.worker for record in spread} == {0, 1}
    assert seen[-1].done == 12


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_workers_whose_clocks_differ_begin_together_and_stamp_by_one_clock(
    cluster: str, simulator: str, load: Load
) -> None:
    import distributed

    with distributed.Client(cluster, set_as_default=False) as client:
        (_, elsewhere) = client.scheduler_info()["workers"]
        client.run(shift_clocks, workers=[elsewhere])
    before_ns = time.time_ns()
    records = load(endpoint(simulator), Users(4, 30), workers=2, cluster=cluster)
    assert [record.error for record in records] == [None] * 120
    assert before_ns < min(record.scheduled_ns for record in records)
    assert max(record.done_ns for record in records) < time.time_ns()
    first = [min(r.scheduled_ns for r in records if r.worker == worker) for worker in (0, 1)]
    assert load.cell_run is not None
    error_ns = load.cell_run.clock_error_ns
    assert abs(first[0] - first[1]) < 2 * error_ns + 20_000_000  # not 4 s
    assert 0 < error_ns < 5_000_000
    assert load.cell_run.notes[-1].startswith("the workers' clocks agree to ±")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_clocks_that_cannot_be_compared_are_refused(
    cluster: str, simulator: str, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmbench.load.workers.dask.CLOCK_ERROR_NS", 1_000)
    with pytest.raises(
        ConfigError, match=r"tcp://.*: its clock can be read to ±\S+ ms only, limit 0"
    ):
        load(endpoint(simulator), Users(2, 1), workers=2, cluster=cluster)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_lost_worker_of_a_cluster_keeps_what_it_had_sent(
    cluster: str, simulator: str, load: Load
) -> None:
    import distributed

    killed = threading.Event()
    with distributed.Client(cluster, set_as_default=False) as client:
        pids = client.run(os.getpid)

        def kill_one(progress: Progress) -> None:
            if progress.done >= 20 and not killed.is_set():
                killed.set()
                os.kill(next(iter(pids.values())), signal.SIGKILL)

        shape = Users(2, 2000)
        records = load(endpoint(simulator), shape, workers=2, cluster=cluster, progress=kill_one)
    assert load.cell_run is not None
    (lost,) = load.cell_run.workers_lost
    assert lost.endswith("left the cluster")
    kinds = [record.error_kind for record in records]
    assert kinds.count("worker_died") == 1
    assert kinds.count(None) >= 10


def test_no_scheduler_is_a_clear_error(
    simulator: str, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask, "CONNECT_S", 1)
    with pytest.raises(ConfigError, match="no Dask scheduler answers there"):
        load(endpoint(simulator), workers=2, cluster="tcp://127.0.0.1:1")
