"""The bot's bundle on a host without a network: installed, enrolled, told what lies there, and deployed by."""

import shutil
import subprocess
from pathlib import Path

import pytest
from chancery_bot.testing import pair

from chancery.apps.bots import actions, targets
from chancery.apps.bots.models import Stage
from tests.egress.network import empty

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = ROOT / ".judges" / "chancery-bot.tar.gz"
"""Made by `make interop` from the tree as it is, since that needs a package registry."""
NAME = "www.example.com"


def install(folder):
    """Unpack and install the bundle where there is no network; returns the command, and what the script said."""
    subprocess.run(["tar", "-xzf", str(BUNDLE), "-C", str(folder)], check=True)
    home = folder / "home"
    home.mkdir(exist_ok=True)
    with empty() as watch:
        watch.servers.clear()  # a name that is asked for is a network, too
        ran = subprocess.run(
            ["sh", str(folder / "chancery-bot" / "install.sh"), str(folder / "opt")],
            check=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(home)},
            timeout=300,
            capture_output=True,
            text=True,
        )
        assert watch.seen() == {}
    shutil.rmtree(folder / "chancery-bot")
    return folder / "opt" / "bin" / "chancery-bot", ran.stdout


def test_what_is_installed_over_an_earlier_bot_is_the_new_one(tmp_path):
    command, said = install(tmp_path)
    assert said.startswith("Installed. Next: ")
    (module,) = (tmp_path / "opt").glob("lib/python3*/site-packages/chancery_bot/posix.py")
    (gone,) = (tmp_path / "opt").glob("lib/python3*/site-packages/chancery_bot/probe.py")
    new = module.read_bytes()
    module.write_bytes(b"raise SystemExit('of the same version, and older')\n")
    gone.unlink()
    assert subprocess.run([str(command), "status"], capture_output=True, check=False).returncode == 1
    command, said = install(tmp_path)
    assert said == "Updated. Next: systemctl daemon-reload && systemctl restart chancery-bot\n"
    assert module.read_bytes() == new
    assert gone.exists()
    assert subprocess.run([str(command), "unit"], capture_output=True, check=True).stdout


@pytest.mark.django_db(transaction=True)
def test_a_host_without_a_network(cast, local, engine, live_server, tmp_path):
    (command, _), tls = install(tmp_path), tmp_path / "tls"
    config, token = tmp_path / "config.toml", tmp_path / "token"
    tls.mkdir()
    before = pair(NAME)
    for name, content in zip(("www.pem", "www.key"), before, strict=True):
        (tls / name).write_bytes(content)
        (tls / name).chmod(0o640)
    config.write_text(f'roots = ["{tls}"]\n')
    bot, secret = actions.create(cast.ada, "web", team="Operations", environment="Production")
    token.write_text(secret)

    def run(*words):
        said = ["--home", str(tmp_path / "state"), "--config", str(config), *words]
        ran = subprocess.run([str(command), *said], capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    assert "'web'" in run("enrol", "--server", live_server.url, "--token-file", str(token))
    run("run", "--once")
    bot.refresh_from_db()
    (offered,) = bot.found
    assert (offered["kind"], offered["names"]) == ("pem", [NAME])
    values = {"name": "www", "kind": "pem", "profile": "Internal", "names": offered["names"]}
    target = targets.add(cast.ada, bot.pk, {**values, "settings": offered["settings"]})
    row = actions.issue(cast.ada, target.pk)

    def ended():
        run("run", "--once")
        row.refresh_from_db()
        return row.finished_at is not None

    engine.until(ended, 120)
    assert row.state == Stage.DEPLOYED, row.text
    assert (tls / "www.pem").read_bytes() != before[0]
    assert (tls / "www.key").stat().st_mode & 0o777 == 0o640
