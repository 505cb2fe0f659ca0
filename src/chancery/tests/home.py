"""A home that is thrown away, made before anything reads the settings.

The test runner loads this first (``-p`` in pyproject.toml): a test run, with one process or several, never opens the
data, the key or the database of the person who runs it.
"""

import atexit
import os
import shutil
import tempfile

os.environ["CHANCERY_HOME"] = tempfile.mkdtemp(prefix="chancery-test-")
os.environ.setdefault("CHANCERY_LOG_LEVEL", "ERROR")


def _remove(folder: str, made_by: int) -> None:
    """Only the process that made the folder ends it; children that were forked from it must not."""
    if os.getpid() == made_by:
        shutil.rmtree(folder, ignore_errors=True)


atexit.register(_remove, os.environ["CHANCERY_HOME"], os.getpid())
