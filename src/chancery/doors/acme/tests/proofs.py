"""What a client and a worker do until a name is proven."""

from datetime import timedelta

from bench.acme_client import thumbprint
from chancery.apps.shared.action import current_clock
from chancery.engine.proving import Validations


class Looker:
    """A worker's looks, each waited for; time is told."""

    def __init__(self):
        self.validations, self.now = Validations(), current_clock().now() + timedelta(seconds=1)

    def look(self, later=0):
        # However slow the machine is, what a client has just said to be ready is due.
        self.now = max(self.now + timedelta(seconds=later), current_clock().now())
        self.validations.turn(self.now)
        self.validations._lookers.submit(lambda: None).result(30)
        while self.validations._busy > self.validations._done.qsize():
            self.validations._lookers.submit(lambda: None).result(30)
        self.validations.turn(self.now)

    def until_over(self):
        for _ in range(4):
            self.look(30)


def asked(client, name="www.example.test", kind="http-01"):
    """Place an order; returns it with its authorization's address, the challenge, and the key authorization."""
    order = client.order(name)
    where = order.json()["authorizations"][0]
    authz = client.post(where).json()
    challenge = next(c for c in authz["challenges"] if c["type"] == kind)
    return order, where, challenge, f"{challenge['token']}.{thumbprint(client.key)}"


def begun(client, challenge):
    answer = client.post(challenge["url"], {})
    assert (answer.status, answer.json()["status"]) == (200, "processing")
    assert 'rel="up"' in answer.headers["link"]


def page(text, status=b"200 OK", more=b""):
    body = text.encode()
    return b"HTTP/1.1 " + status + b"\r\nContent-Length: " + str(len(body)).encode() + b"\r\n" + more + b"\r\n" + body
