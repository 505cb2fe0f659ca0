"""Runs as a process: the code that sends notices and writes DNS records, guarded as in production, for many addresses at once.

In production each has a process of its own, which takes a second to start.
"""

import json
import sys
import warnings

warnings.simplefilter("ignore")  # of the libraries, about what they use of Python

from lexicon.exceptions import AuthenticationError  # noqa: E402

from chancery.net import notify_process  # noqa: E402
from chancery.net.addresses import AddressPolicy  # noqa: E402
from chancery.net.apart import guard  # noqa: E402
from chancery.protocols.acme.solving import provider_process  # noqa: E402


def notices(hosts):
    import apprise  # noqa: F401  loads libraries of the system, before that is refused

    refusals = guard(AddressPolicy(), datagrams=True)
    sys.addaudithook(notify_process.judge)
    for host in hosts:
        asked = {"act": "send", "url": f"json://{host}/hook", "title": "title", "body": "body"}
        yield notify_process.answer(asked, refusals)["kind"]


def records(hosts):
    guard(AddressPolicy())
    provider_process.stay_offline()
    for host in hosts:
        options = {"auth_token": "x", "pdns_server": f"http://{host}:8081", "pdns_server_id": "localhost"}
        asked = {"provider": "powerdns", "options": options, "zone": "lead.test", "records": [], "act": "check"}
        try:
            provider_process.perform(asked)
        except (OSError, ValueError, AuthenticationError) as error:
            yield type(error).__name__
        else:
            yield "ok"


if __name__ == "__main__":
    out, sys.stdout = sys.stdout, sys.stderr
    json.dump(list({"notices": notices, "records": records}[sys.argv[1]](json.load(sys.stdin))), out)
