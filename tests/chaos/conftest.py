"""Processes that end with their test, and a line for people at the end of each scenario."""

import pytest


@pytest.fixture
def stand(transactional_db, tmp_path):
    from tests.chaos.stand import Stand

    made = Stand(tmp_path)
    yield made
    made.close()


@pytest.fixture
def say(capsys):
    """Print a line past the capture: `make chaos` is read by people."""

    def line(text):
        from django.db import connection

        with capsys.disabled():
            print(f"\n{connection.vendor}: {text}", flush=True)

    return line
