"""The command line in this very process. It is put together once: that takes ten times as long as a command's own work."""

from functools import cache

from typer import testing

from chancery.doors.cli.main import app

testing._get_command = cache(testing._get_command)


def invoke(words, **more):
    """Run the command that the words are, and return what Typer's runner says of it."""
    return testing.CliRunner().invoke(app, list(map(str, words)), **more)
