"""What one door can do, the others can: each operation of REST has a command, and each action of the console an operation.

Read off the sources: a command's address, with what is filled in as a hole, is held against the operations' addresses.
"""

import ast
import re
from pathlib import Path

import pytest

from chancery.doors.tests.test_route_matrix import rows

CLI = Path(__file__).resolve().parents[2] / "src" / "chancery" / "doors" / "cli"
WITHOUT_COMMAND = {
    "GET /health": "for whoever watches from outside; `chancery doctor` says more, on the host",
    "GET /authorities/{slug}": "`authorities fields` reads the listing, which has all of it",
    "GET /pulls/{ident}": "`inventory pulls` lists them whole",
    "GET /acme/accounts/{ident}": "`acme accounts` lists them whole",
    "GET /acme/credentials/{ident}": "`acme credentials` lists them whole, and others find one by id or name",
    "POST /connectors/bulk-switch": "`connectors activate` and `deactivate` take a name; a shell repeats them",
    **{f"POST /findings/{{ident}}/{verb}": f"`inventory {verb}` decides about many at once, by POST /findings/decide"
       for verb in ("adopt", "ignore", "reopen", "revoke")},
}  # fmt: skip
IN_THE_BROWSER = {
    "people.own_password": "somebody's own password is typed into a page",
    "people.own_account": "somebody's own name and address, beside it",
    "factors.add_passkey": "a passkey is made by the browser",
    "factors.add_totp": "the secret is shown once, as a picture for a telephone",
    "factors.new_codes": "shown once, to the person alone",
    "factors.remove": "asks for the password again; of others, DELETE /users/{ident}/factors",
}
"""Actions of the console that no program does: a person sits there, and proves it."""
HOLE = "\0"


def written(node):
    """Return a text as it stands in the source, each thing filled in as a hole; None for what is no text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(HOLE if isinstance(part, ast.FormattedValue) else part.value for part in node.values)
    return None


def addresses():
    """Yield (words of the module, address with holes) for every address in the command line's sources."""
    for file in sorted(CLI.glob("*.py")):
        nodes = list(ast.walk(ast.parse(file.read_text())))
        inner = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        texts = {text for node in nodes if id(node) not in inner and (text := written(node)) is not None}
        found = {text for text in texts if re.match(f"{HOLE}?[/-]|{HOLE}/", text) and not re.search(r"\s", text)}
        words = {word for text in texts for word in re.split(f"[/{HOLE}]", text)}
        yield from ((words, address) for address in found)


def reached(operation, among):
    """Say whether an address of the sources leads to an operation, whose words all stand in the same module."""
    path = operation.partition(" ")[2]
    literal = {word for word in path.strip("/").split("/") if not word.startswith("{")}
    return any(_stand(literal, words) and re.fullmatch(_pattern(address), path) for words, address in among)


def _stand(literal, words):
    ends = tuple(word for word in words if word.startswith("-"))
    return all(word in words or (ends and word.endswith(ends)) for word in literal)


def _pattern(address):
    """What stands alone between slashes is one name; what is put before or behind something may be more."""
    return re.escape(address).replace(f"/{HOLE}", "/[^/]+").replace(HOLE, ".*")


@pytest.fixture(scope="module")
def known():
    return rows()[0]


def test_each_operation_has_a_command(known):
    among = list(addresses())
    operations = {route for route in known if not route.startswith("console")}
    without = {route for route in operations if not reached(route, among)}
    assert without == set(WITHOUT_COMMAND)


def test_each_action_of_the_console_has_an_operation(known):
    by_rest = {act for route, (_, acts) in known.items() if not route.startswith("console") for act in acts}
    by_console = {act for route, (_, acts) in known.items() if route.startswith("console") for act in acts}
    assert by_console - by_rest == set(IN_THE_BROWSER)
