"""Real clients under real loads: one that lies by a known amount, and clients that break down."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from msgspec import structs

from llmbench.config import ConfigError
from llmbench.judge.client_recipes import Recipe, own_recipe, recipe_called
from llmbench.judge.judge_tables import markdown_text, sentence, terminal_text
from llmbench.judge.judged_loads import JudgedLoad, PlannedLoad
from llmbench.judge.refereeing import (
    OVERHEAD_PAGE,
    Judgement,
    Terms,
    judge,
    planned_loads,
    version_of,
)
from llmbench.judge.written_judgement import write_judgement
from tests.test_cli import characters_tokenizer

LIAR = Path(__file__).parent / "lying_client.py"
PLAIN = PlannedLoad(0, requests_per_user=3, ttft_ms=20.0, ms_per_token=5.0, output_tokens=8)


@pytest.fixture(scope="module", autouse=True)
def busy_hosts_are_fine() -> Iterator[None]:
    """These tests are of exact lies, and not of how late a server is on a busy host."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llmbench.judge.judged_loads.LATE_SHARE", 1e9)
        yield


def lying(lie: str, *more: str) -> Recipe:
    words = ("{url}", "{users}", "{requests}", "{result}", lie, *more)
    return own_recipe([sys.executable, str(LIAR), *words])


def judged(folder: Path, recipe: Recipe, *users: int) -> Judgement:
    terms = Terms(planned_loads(PLAIN, users or (2,)), tokenizer="t")
    return judge([recipe], terms, folder, say=lambda _: None)


def shell(script: str) -> Recipe:
    return own_recipe(["sh", "-c", script, "{url}", "{result}"])


def test_the_truth_itself_is_within_one_percent(tmp_path: Path) -> None:
    (client,) = judged(tmp_path, lying("1.0"), 1, 2).clients
    assert [load.verdict for load in client.loads] == ["within 1 %", "within 1 %"]
    assert (client.within_1_percent, client.within_5_percent) == (2, 2)
    assert [load.users_most for load in client.loads] == [1, 2]
    first = client.loads[0]
    assert first.true is not None and first.true.ttft_p50_ms == pytest.approx(20, abs=2)
    assert first.true.requests == 3


@pytest.mark.parametrize(
    ("lie", "verdict", "within"),
    [
        (
            "1.2",
            "TTFT p50 +20.0%; TTFT p99 +20.0%; time per token p50 +20.0%; "
            "time per token p99 +20.0%",
            None,
        ),
        ("1.03", "within 5 %", 2),
    ],
)
def test_a_lie_is_told_exactly(lie: str, verdict: str, within: int | None, tmp_path: Path) -> None:
    (client,) = judged(tmp_path, lying(lie)).clients
    assert client.loads[0].verdict == verdict
    assert (client.within_1_percent, client.within_5_percent) == (None, within)


def under_fault(folder: Path, fault: str, users: int, *more: str) -> JudgedLoad:
    load = structs.replace(PLAIN, users=users, fault=fault)
    recipe = lying("1.0", *more)
    (client,) = judge([recipe], Terms((load,), "t"), folder, say=lambda _: None).clients
    return client.loads[0]


@pytest.mark.parametrize("fault", ["packed events", "a beat", "an error event"])
def test_a_client_that_tells_the_truth_notices_faults(fault: str, tmp_path: Path) -> None:
    assert under_fault(tmp_path, fault, 8).noticed == "told right"


def test_a_client_that_keeps_failures_to_itself_is_found_out(tmp_path: Path) -> None:
    load = under_fault(tmp_path, "an error event", 8, "mute")
    assert load.true is not None and load.true.failed > 0
    assert load.noticed == f"missed: reports 0 of {load.true.failed} failed requests"


def test_the_queue_is_in_the_truth(tmp_path: Path) -> None:
    load = under_fault(tmp_path, "a queue", 4)
    assert load.noticed == "told right"
    assert load.true is not None and load.true.ttft_p99_ms is not None
    assert load.true.ttft_p99_ms > 50  # a slot is busy for 55 ms


def test_the_cpu_time_of_all_its_processes_is_the_clients(tmp_path: Path) -> None:
    """A child, its child and an orphan each use a quarter of a second beside the client."""
    spin = "import time; t = time.process_time()\nwhile time.process_time() - t < 0.25: pass"
    busy = f"'{sys.executable}' -c '{spin}'"
    command = f'sh -c "{busy}"; ({busy} &); {busy}; sleep 0.6; '
    command += f"exec '{sys.executable}' '{LIAR}' \"$0\" 1 3 \"$1\" 1.0"
    (client,) = judged(tmp_path, shell(command), 1).clients
    assert client.loads[0].cpu_s > 0.75
    assert (client.loads[0].startup_s or 0) > 0.6
    assert client.loads[0].cpu_us_per_token is not None


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo no luck; exit 3", "sh: exit status 3: no luck (LOADS/sh-1-1/client.log)"),
        ("exit 3", "sh: exit status 3, and said nothing (LOADS/sh-1-1/client.log)"),
        ("echo done", "sh: wrote nothing to {result}: done (LOADS/sh-1-1/client.log)"),
        (
            'echo "{" > "$1"',
            "sh: its result can't be read: LOADS/sh-1-1/result.json: cut short or damaged, not "
            "JSON: "
            "Expecting property name enclosed in double quotes: line 2 column 1 (char 2)",
        ),
    ],
)
def test_a_client_that_fails_is_one_clear_line(script: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        judged(tmp_path, shell(script), 1)
    assert str(caught.value) == message.replace("LOADS", str(tmp_path / "loads"))


def test_a_program_that_can_not_be_started_says_why(tmp_path: Path) -> None:
    program = tmp_path / "client"
    program.write_bytes(b"neither a script nor a program")
    program.chmod(0o755)
    with pytest.raises(ConfigError) as caught:
        judged(tmp_path, own_recipe([str(program), "{url}", "{result}"]), 1)
    assert str(caught.value) == (
        "client: exit status 127: can't be started: Exec format error "
        f"({tmp_path}/loads/client-1-1/client.log)"
    )


def test_a_folder_without_the_file_is_one_clear_line(tmp_path: Path) -> None:
    recipe = own_recipe(["sh", "-c", "mkdir $1; echo done", "{url}", "{result}"], "*.json")
    with pytest.raises(ConfigError) as caught:
        judged(tmp_path, recipe, 1)
    log = tmp_path / "loads" / "sh-1-1" / "client.log"
    assert str(caught.value) == f"sh: wrote no *.json: done ({log})"


def test_a_client_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("llmbench.judge.refereeing.TIMEOUT_S", 0.5)
    monkeypatch.setattr("llmbench.judge.refereeing.TIMEOUT_FACTOR", 0.0)
    with pytest.raises(ConfigError, match=r"^sh: not done after 0\.5 s, and ended$"):
        judged(tmp_path, shell("sleep 971 & sleep 972"), 1)
    left = [it for it in psutil.process_iter(["cmdline"]) if "971" in (it.info["cmdline"] or [])]
    assert left == []


def test_one_broken_client_leaves_the_others_in_the_table(tmp_path: Path) -> None:
    said: list[str] = []
    terms = Terms(planned_loads(PLAIN, (1,)), tokenizer="t")
    made = judge([shell("exit 1"), lying("1.0")], terms, tmp_path, say=said.append)
    verdicts = [client.loads[0].verdict for client in made.clients]
    assert verdicts == [
        f"no figures: sh: exit status 1, and said nothing ({tmp_path}/loads/sh-1-1/client.log)",
        "within 1 %",
    ]
    assert said[-1].endswith(", 1 user: within 1 %")


def test_a_folder_with_another_judgement_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loads").mkdir()
    with pytest.raises(
        ConfigError, match=r"has the loads of another judgement; give another --out"
    ):
        judged(tmp_path, lying("1.0"), 1)


def test_more_cores_than_there_are_is_an_error(tmp_path: Path) -> None:
    terms = Terms(planned_loads(PLAIN, (1,)), tokenizer="t", client_cores=9999)
    with pytest.raises(ConfigError, match=r"^--client-cores 9999: the server leaves \d+ of this"):
        judge([lying("1.0")], terms, tmp_path)


def test_the_overhead_page_and_the_faults_follow_the_climb() -> None:
    loads = planned_loads(PLAIN, (4, 2), faults=True, overhead_page=True)
    assert [load.users for load in loads] == [4, 2, 1000, 2, 2, 2, 2]
    assert loads[2] is OVERHEAD_PAGE
    assert (OVERHEAD_PAGE.ttft_ms, OVERHEAD_PAGE.ms_per_token) == (50.0, 10.0)
    assert [load.fault for load in loads[3:]] == [
        *("packed events", "a beat", "an error event", "a queue")
    ]


def test_a_version_is_the_last_line_that_a_client_says() -> None:
    words = ("{program}", "-c", "print('warning'); print('tool 1.2')")
    recipe = Recipe(tool="t", program=sys.executable, command=(), version=words)
    assert version_of(recipe) == "tool 1.2"
    assert version_of(Recipe(tool="t", program="/no/such", command=(), version=words)) == ""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Judgement, Path]:
    folder = tmp_path_factory.mktemp("judge") / "out"
    made = judged(folder, lying("1.03"), 1, 2)
    assert [file.name for file in write_judgement(made, folder)] == [
        *("judge.md", "judge.json", "judge.png")
    ]
    return made, folder


Written = tuple[Judgement, Path]


def test_the_json_holds_figures_and_verdicts(written: Written) -> None:
    page = msgspec.json.decode((written[1] / "judge.json").read_bytes())
    (client,) = page["clients"]
    assert (client["within_1_percent_users"], client["within_5_percent_users"]) == (None, 2)
    assert [load["verdict"] for load in client["loads"]] == ["within 5 %", "within 5 %"]
    load = client["loads"][1]
    assert load["reported"]["ttft_p50_ms"] == pytest.approx(1.03 * load["true"]["ttft_p50_ms"])
    assert load["load"]["users"] == 2


@pytest.mark.parametrize("render", [terminal_text, lambda it: markdown_text(it, "judge.png")])
def test_a_page_has_the_table_the_sentence_and_the_rule(
    written: Written, render: Callable[[Judgement], str]
) -> None:
    text = render(written[0])
    assert "of the truth at no load that was tried, within 5 % up to 2 users (tried: up" in text
    assert sentence(written[0].clients[0]).startswith(Path(sys.executable).name)
    assert "within 5 %" in text and "20." in text
    assert written[0].rule in text


def test_the_markdown_names_commands_and_chart_and_no_folder(written: Written) -> None:
    text = (written[1] / "judge.md").read_text(encoding="utf-8")
    assert "{url} {users} {requests} {result} 1.03" in text
    assert "](judge.png)" in text
    assert str(written[1]) not in text


def test_the_chart_is_a_picture(written: Written) -> None:
    assert (written[1] / "judge.png").read_bytes().startswith(b"\x89PNG")


def test_our_own_client_is_right_where_the_server_is_in_time(tmp_path: Path) -> None:
    """The rates of its steady window too; times with some room, as the host may be busy."""
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text(characters_tokenizer(), encoding="utf-8")
    load = structs.replace(PLAIN, users=2, output_tokens=16, ttft_ms=100, ms_per_token=10)
    terms = Terms((load,), str(tokenizer))
    (client,) = judge([recipe_called("llmbench")], terms, tmp_path, say=lambda _: None).clients
    (made,) = client.loads
    assert made.reported is not None and made.true is not None, made.failure
    assert (made.reported.requests, made.reported.failed) == (6, 0)
    for figure in ("ttft_p50_ms", "token_p50_ms", "requests_per_s", "tokens_per_s"):
        assert abs(made.error(figure) or 0.0) < 0.2, figure
    assert client.version
