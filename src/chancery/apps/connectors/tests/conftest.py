"""An account at an outside CA, for the tests of this room."""

import pytest

from chancery.apps.connectors import actions
from chancery.apps.connectors.tests.account import values


@pytest.fixture
def account(cast):
    """An active connector whose CA nobody calls."""
    return actions.create(cast.ada, "digicert", values())
