"""Every command says what it is for, and speaks to programs."""

from typer.testing import CliRunner

from chancery.doors.cli.main import app
from chancery.doors.cli.remote import GROUPS


def test_every_command_has_help_and_json():
    files = {"archive", "declare", "download", "export"}
    for name, group in GROUPS.items():
        for command in group.registered_commands:
            label = command.name or command.callback.__name__
            told = CliRunner().invoke(app, [name, label, "--help"], env={"COLUMNS": "200"}).output
            assert "Usage" in told
            assert "--json" in told or label in files, f"{name} {label}"
