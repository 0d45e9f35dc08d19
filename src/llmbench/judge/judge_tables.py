"""Truth and report side by side, as a table for a terminal and as Markdown."""

from collections.abc import Callable, Iterator, Sequence

from llmbench.judge.judged_loads import JudgedLoad, users_text
from llmbench.judge.refereeing import JudgedClient, Judgement
from llmbench.verdict import escaped

COLUMNS = {
    "TTFT p50": "ttft_p50_ms",
    "TTFT p99": "ttft_p99_ms",
    "ms/token p50": "token_p50_ms",
    "ms/token p99": "token_p99_ms",
    "req/s": "requests_per_s",
    "tokens/s": "tokens_per_s",
    "failed": "failed",
}
"""The figures that are shown as truth → reported, by the head of their column."""

HEADS = (
    *("client", "users", *COLUMNS, "at once (mean)", "CPU µs/token", "start-up s"),
    *("server late p99 ms", "verdict"),
)


def cells_of(judged: JudgedLoad) -> tuple[str, ...]:
    """One load as a row under `HEADS`."""
    load = judged.load
    users = f"{load.users:,}"
    if load.fault:
        users += f", {load.fault}"
    elif load.ms_per_token != 20:
        users += f" at {load.ms_per_token:g} ms"
    return (
        judged.client,
        users,
        *(_pair(judged, figure) for figure in COLUMNS.values()),
        f"{_some(judged.users_most, ',d')} ({_some(judged.users_mean, ',.0f')})",
        _some(judged.cpu_us_per_token, ",.1f"),
        _some(judged.startup_s, ".1f"),
        _some(judged.server_late_p99_ms, ".2f"),
        judged.noticed if load.fault else judged.verdict,
    )


def _pair(judged: JudgedLoad, figure: str) -> str:
    sides = (getattr(side, figure, None) for side in (judged.true, judged.reported))
    return " → ".join(_figure(value) for value in sides)


def _figure(value: float | None) -> str:
    if value is None or isinstance(value, int):
        return _some(value, ",d")
    return f"{value:,.2f}" if value < 1000 else f"{value:,.0f}"


def _some(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def rows_of(judgement: Judgement, *, faults: bool) -> list[tuple[str, ...]]:
    """The rows of all clients: the plain loads, or those with a fault."""
    loads = [load for client in judgement.clients for load in client.loads]
    return [cells_of(judged) for judged in loads if bool(judged.load.fault) is faults]


def sentence(client: JudgedClient) -> str:
    """How far the client can be believed."""
    judged = [it.load.users for it in client.climb if not it.server_was_late]
    if not judged:
        return f"{client.name}: not judged, as the server was late under every load"

    def to(users: int | None) -> str:
        return "at no load that was tried" if users is None else f"up to {users_text(users)}"

    one, five = client.within_1_percent, client.within_5_percent
    tried = f"tried: up to {max(judged):,}"
    if one == five:
        return f"{client.name}: within 1 % and 5 % of the truth {to(one)} ({tried})"
    return f"{client.name}: within 1 % of the truth {to(one)}, within 5 % {to(five)} ({tried})"


def terminal_text(judgement: Judgement) -> str:
    """Tables, what they come to, and the rule."""
    from rich.console import Console

    console = Console(width=max(Console().width, 200), highlight=False)
    with console.capture() as captured:
        for title, rows in _titled(judgement):
            console.print(_table(title, rows))
    sentences = [sentence(client) for client in judgement.clients]
    return "\n".join([captured.get().rstrip(), "", *sentences, f"Rule: {judgement.rule}."])


def _titled(judgement: Judgement) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """The tables that have rows, with their titles."""
    plain, faulty = (rows_of(judgement, faults=faults) for faults in (False, True))
    yield "truth → reported (times in ms)", plain
    if faulty:
        yield "with a fault: who notices? (truth → reported)", faulty


def _table(title: str, rows: Sequence[Sequence[str]]) -> object:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for head in HEADS:
        left = head in ("client", "verdict")
        table.add_column(head, justify="left" if left else "right", overflow="fold")
    for row in rows:
        table.add_row(*(text.replace(" → ", "\n→ ") for text in row))
    return table


def markdown_text(judgement: Judgement, chart: str | None) -> str:
    """The page of a judgement, with what is needed to judge again."""
    cores = judgement.cores
    lines = [
        "# How far these clients can be believed",
        "",
        f"{judgement.date}, pytest-llmbench {judgement.llmbench}; {judgement.host}: "
        f"{_count(cores.server)} for the truth server, {_count(cores.client)} for the client.",
        "",
        *(f"- {escaped(sentence(client))}" for client in judgement.clients),
        "",
    ]
    lines += [f"![{escaped(_alt(judgement))}]({chart})", ""] if chart else []
    for title, rows in _titled(judgement):
        lines += [f"## {title[0].upper()}{title[1:]}", "", *_markdown_table(HEADS, rows), ""]
    lines += ["## The clients", "", *_markdown_table(*_client_rows(judgement)), ""]
    for client in judgement.clients:
        for name, text in client.files.items():
            lines += [f"{client.name}'s `{name}`:", "", "```", text.strip("\n"), "```", ""]
    lines += [f"Rule: {judgement.rule}.", ""]
    return "\n".join(lines)


def _alt(judgement: Judgement) -> str:
    return "; ".join(sentence(client) for client in judgement.clients)


def _client_rows(judgement: Judgement) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    rows: list[tuple[str, ...]] = [
        (client.name, client.version or "not told", client.remark or "–", client.command)
        for client in judgement.clients
    ]
    return ("client", "version", "to know", "command"), rows


def _markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    def line(texts: Sequence[str], each: Callable[[str], str] = str) -> str:
        return f"| {' | '.join(each(text) for text in texts)} |"

    return [line(heads), line(["---"] * len(heads)), *(line(row, escaped) for row in rows)]


def _count(cores: Sequence[int]) -> str:
    return f"{len(cores)} core{'s' * (len(cores) != 1)}"
