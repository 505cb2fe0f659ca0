"""Every command says what it is for, and speaks to programs."""

from chancery.doors.cli.remote import GROUPS
from tests.commands import invoke


def test_every_command_has_help_and_json():
    files = {"archive", "declare", "download", "export"}
    for name, group in GROUPS.items():
        for command in group.registered_commands:
            label = command.name or command.callback.__name__
            told = invoke([name, label, "--help"], env={"COLUMNS": "200"}).output
            assert "Usage" in told
            assert "--json" in told or label in files, f"{name} {label}"
