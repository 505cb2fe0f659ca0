"""Says at the end how many awkward cases there are, for whoever runs `make check`."""

from tests.contracts import test_awkward


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(test_awkward.counted())
