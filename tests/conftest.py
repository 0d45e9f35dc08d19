"""What holds for all tests."""

import pytest


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Tests that several processes share are a part of all: it may hold none that was asked for."""
    is_part = session.config.getoption("numprocesses", None)
    if is_part and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK
