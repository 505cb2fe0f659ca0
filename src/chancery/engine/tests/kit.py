"""Jobs, orders at any point of their life, and an authority that answers what a test tells it."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

from chancery.core.names import Name
from chancery.core.tests.making import NOW, certify, dns, key_of
from chancery.engine.jobs import Asked, Job, Kind

KEY = key_of("EC-P256")
CA = certify("Toy CA", key=key_of("EC-P256", 1), ca=True)
FENCE = UUID(int=7)


def leaf(name="www.example.com", key=KEY):
    return certify(name, key=key, issuer=CA, ca=False, extensions=dns(name))


def asked(**changes):
    from chancery.core.keys import spki_sha256

    made = Asked(
        id=uuid4(),
        csr=b"csr",
        common_name="www.example.com",
        names=(Name("dns", "www.example.com"),),
        spki_sha256=spki_sha256(KEY.public_key()),
        validity=timedelta(days=400),
        intended_at=NOW,
        product={},
    )
    return replace(made, **changes)


def job(kind=Kind.SUBMIT, **changes):
    extra = changes.pop("extra", {})
    of_order = kind not in {Kind.CALL, Kind.REVOKE, Kind.POLL_REVOCATION}
    made = Job(kind, uuid4(), FENCE, uuid4(), 1, uuid4(), "toy", asked() if of_order else None, extra)
    return replace(made, **changes)


class Toy:
    """Its `profile` takes any settings; every verb answers with what `answers` has under its name."""

    profile = SimpleNamespace(model_validate=dict)

    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    def __getattr__(self, verb):
        if verb.startswith("_") or verb not in self.answers:
            raise AttributeError(verb)

        def answer(*args):
            self.asked.append((verb, args))
            value = self.answers[verb]
            value = value(*args) if callable(value) else value
            if isinstance(value, BaseException):
                raise value
            return value

        return answer


def at():
    return NOW


def rng():
    return random.Random(1)


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)
