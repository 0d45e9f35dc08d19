"""Writes a judgement as Markdown, JSON and, where there are several loads, a chart."""

from pathlib import Path
from typing import Any

import msgspec

from llmbench.judge.judge_chart import judge_chart
from llmbench.judge.judge_tables import markdown_text, sentence
from llmbench.judge.refereeing import Judgement
from llmbench.store import replace_file


def write_judgement(judgement: Judgement, folder: Path) -> list[Path]:
    """Write ``judge.md``, ``judge.json`` and ``judge.png`` into `folder`; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = judge_chart(judgement)
    files = {
        "judge.md": markdown_text(judgement, "judge.png" if picture else None).encode(),
        "judge.json": judgement_json(judgement),
        "judge.png": picture,
    }
    written = []
    for name, content in files.items():
        if content is not None:
            replace_file(folder / name, content)
            written.append(folder / name)
    return written


def judgement_json(judgement: Judgement) -> bytes:
    """The judgement with its verdicts, as JSON."""
    page: dict[str, Any] = msgspec.to_builtins(judgement)
    for client, client_page in zip(judgement.clients, page["clients"], strict=True):
        client_page |= {
            "within_1_percent_users": client.within_1_percent,
            "within_5_percent_users": client.within_5_percent,
            "sentence": sentence(client),
        }
        for load, load_page in zip(client.loads, client_page["loads"], strict=True):
            verdict = load.noticed if load.load.fault else load.verdict
            load_page |= {"outcome": load.outcome, "verdict": verdict}
    return msgspec.json.format(msgspec.json.encode(page), indent=2) + b"\n"
