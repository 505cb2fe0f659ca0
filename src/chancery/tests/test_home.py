"""Tests never touch the home of the person who runs them."""

import os
import tempfile
from pathlib import Path

from django.conf import settings


def test_the_settings_point_into_the_folder_that_is_thrown_away():
    home = Path(os.environ["CHANCERY_HOME"])
    assert home.parent == Path(tempfile.gettempdir())
    assert settings.KEK_FILE.parent == home
