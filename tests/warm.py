"""Runs commands of ours in processes of their own that have other people's libraries loaded: half of what a start takes.

Nothing of ours is loaded before a command is, so it reads its settings as if it had been started. Used where a test starts many.
"""

import atexit
import multiprocessing
import os
import subprocess
import sys
import tempfile

LIBRARIES = [
    "typer",
    "typer.main",
    "rich.console",
    "rich.table",
    "pydantic",
    "pydantic.types",
    "pydantic.json_schema",
    "yaml",
    "httpx",
    "httpcore",
    "h11",
    "asyncio",
    "cryptography.x509",
    "cryptography.x509.verification",
    "cryptography.hazmat.primitives.serialization.pkcs7",
    "cryptography.hazmat.primitives.serialization.pkcs12",
    "django.core.management",
    "django.db.models",
    "django.db.migrations.executor",
    "django.template.loader",
    "django.forms",
    "django.core.handlers.wsgi",
    "django.test",
]


def run(given, environment, timeout=90):
    """Run `python -m chancery` with these words, or what is one text as a program; as `subprocess.run`, with what was said as text."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        numbers = [multiprocessing.reduction.DupFd(file.fileno()) for file in (out, err)]
        process = context.Process(target=be, args=(given, dict(environment), numbers))
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(given, timeout)
        said = [(file.seek(0), file.read())[1] for file in (out, err)]
        return subprocess.CompletedProcess(given, process.exitcode, *said)


def be(given, environment, numbers):
    os.environ.clear()
    os.environ.update(environment)
    for number, file in zip((1, 2), numbers, strict=True):
        os.dup2(file.detach(), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin = os.fdopen(0)
    try:
        if isinstance(given, str):
            exec(compile(given, "<given>", "exec"), {"__name__": "__main__"})
        else:
            sys.argv = ["chancery", *given]
            from chancery.doors.cli.main import main

            main()
    finally:
        atexit._run_exitfuncs()
