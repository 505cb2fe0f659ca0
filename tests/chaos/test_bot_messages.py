"""What a bot has said is worth nothing to whoever overheard it, however often the server is killed meanwhile."""

import json
import secrets
import time
import urllib.request
from collections import Counter
from contextlib import suppress

import pytest
from chancery_bot import client, posix, web, wire
from chancery_bot.errors import Refused

from chancery.apps.bots import actions
from chancery.apps.bots.models import Deployment, Stage
from chancery.apps.orders.models import Order
from chancery.core.clock import SYSTEM_CLOCK
from chancery.doors.bots.tests.test_door import HOST, Side, deployed, made, now, target
from chancery.net.listening import free_port
from tests.chaos.stand import START, Stand

pytestmark = pytest.mark.django_db(transaction=True)
KINDS = ("poll", "csr", "certificate", "report")


class Overheard:
    """A real server process, and everything that was sent to it."""

    def __init__(self, folder, monkeypatch):
        self.stand, self.sent, self.refused = Stand(folder), {}, Counter()
        self.url = f"http://127.0.0.1:{free_port()}"
        self.start()
        monkeypatch.setattr(client, "call", self.call)
        monkeypatch.setattr(posix, "sync", lambda _handle: None)

    def start(self):
        self.process = self.stand.start("serve", "--listen", self.url.removeprefix("http://"))
        deadline = time.monotonic() + START
        while not self._answers():
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)

    def _answers(self):
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/api/v1/health", timeout=START):
            return True
        return False

    def killed(self):
        self.stand.kill(self.process)
        self.start()

    def call(self, url, method, body=b"", headers=None, trust=""):
        answer = web.call(url, method, body, headers, trust)
        if answer.status == 200:
            self.sent[url.rpartition("/")[2]] = (body, headers["Authorization"])
        return answer

    def refuses(self, why, code, what, body, authorization):
        """Send a message as a thief does; it must be refused for this reason."""
        headers = {"Authorization": authorization, "Content-Type": "application/json"}
        answer = web.call(f"{self.url}{wire.PREFIX}/{what}", "POST", body, headers, "")
        assert (answer.status >= 400, json.loads(answer.body)["code"]) == (True, code), (why, what, answer)
        self.refused[why] += 1

    def replayed(self, why):
        for what in KINDS:
            self.refuses(why, "replayed", what, *self.sent[what])


class Agent(Side):
    """A bot that speaks over the network."""

    def __init__(self, folder, line, token, url, described=HOST):
        folder.mkdir()
        self.described = described
        super().__init__(folder, line)
        self.client.enrol(url, token, described)

    def signed(self, what, body, *, by=None, late=0, machine=None):
        """Return an Authorization header as somebody makes it who has a key."""
        key, who = (by or self).state.own_key(), self.state.identity().bot
        at = int(SYSTEM_CLOCK.now().timestamp()) + late
        signed = wire.Signed(who, machine or self.described.machine, at, secrets.token_urlsafe(18), b"")
        return wire.authorization(key, "POST", f"{wire.PREFIX}/{what}", body, signed)


@pytest.fixture
def overheard(tmp_path, monkeypatch):
    found = Overheard(tmp_path, monkeypatch)
    yield found
    found.stand.close()


def test_whoever_overheard_a_bot_can_do_nothing_with_it(cast, local, engine, tmp_path, overheard, result):
    bot, token = made(cast)
    one = Agent(tmp_path / "one", overheard, token, overheard.url)
    job = deployed(cast, bot, one, engine)
    overheard.replayed("sent again")

    _, second = actions.create(cast.ada, "web-2", team="Operations", environment="Production")
    two = Agent(tmp_path / "two", overheard, second, overheard.url)
    wanted = actions.issue(cast.ada, target(cast, bot, one, name="the next").pk)
    for what in KINDS:
        body, header = overheard.sent[what]
        for late in (-wire.SKEW - 60, wire.SKEW + 60, 10 * 365 * 86400):
            overheard.refuses("of another time", "clock", what, body, one.signed(what, body, late=late))
        elsewhere = KINDS[KINDS.index(what) - 1]
        overheard.refuses("sent elsewhere", "signature", elsewhere, body, header)
        overheard.refuses("changed", "signature", what, body[:-1] + b" }", header)
        overheard.refuses("signed by another bot", "signature", what, body, one.signed(what, body, by=two))
        copied = one.signed(what, body, machine="cd" * 32)
        overheard.refuses("from a copy on another host", "cloned_host", what, body, copied)
    for stolen in (job, wanted):
        for what, asks in (
            ("csr", wire.Ask(deployment=stolen.pk, csr="x")),
            ("certificate", wire.Fetch(deployment=stolen.pk)),
        ):
            body = wire.write(asks)
            overheard.refuses("of another bot's job", "not_found", what, body, two.signed(what, body))

    _, bound = actions.create(cast.ada, "db-1", host="db-1", team="Operations", environment="Production")
    for why, given in (("token used before", token), ("token of another host", bound)):
        with pytest.raises(Refused, match="used or expired|for the host db-1"):
            Agent(tmp_path / why.replace(" ", "-"), overheard, given, overheard.url)
        overheard.refused[why] += 1

    one.agent.turn()
    overheard.killed()
    overheard.replayed("sent again after kill -9 of the server")
    assert (Order.objects.count(), Deployment.objects.count(), now(job).state) == (2, 2, Stage.DEPLOYED)
    assert now(wanted).state in {Stage.ORDERED, Stage.READY}
    told = ", ".join(f"{number} {why}" for why, number in sorted(overheard.refused.items()))
    result("R28", sum(overheard.refused.values()), f"messages of a thief, each refused by a real server: {told}")
