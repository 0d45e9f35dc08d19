"""reports/README.md names the files that a run leaves."""

import re

from llmbench.store import RunDir
from tests.test_docs import documented


def test_every_file_of_a_run_is_named(drawn: RunDir) -> None:
    patterns = [re.sub(r"<\w+>", "*", name) for name in documented("Files of a run")]
    files = [path for path in drawn.path.rglob("*") if path.is_file()]
    assert len(files) > 10
    unnamed = [f for f in files if not any(f.relative_to(drawn.path).match(p) for p in patterns)]
    assert unnamed == []
