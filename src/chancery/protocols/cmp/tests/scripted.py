"""A door behind which a test answers in the CA's place, with messages that are protected as they should be."""

import secrets

from chancery.core.clock import ManualClock
from chancery.core.secret import Secret
from chancery.protocols.cmp import CmpClient, CmpSettings, SharedSecret
from chancery.protocols.cmp.simulator import REFERENCE, SECRET, replies, wire
from chancery.protocols.cmp.simulator.guard import Guard
from chancery.protocols.cmp.tests.stand import START
from chancery.sandbox.der import SEQUENCE, tlv
from chancery.sandbox.enrolment import EnrolmentCa
from chancery.sdk.answer import Answer

CA = EnrolmentCa(START)


class Door:
    """`answer(asked)` returns (number of the body, its content); `algorithm` replaces the protection's."""

    secrets = ()

    certificates = (CA.issuing, CA.root)

    def __init__(self, answer, clock, algorithm=None, implicit=False):
        self.answer, self.clock, self.algorithm, self.implicit = answer, clock, algorithm, implicit
        self.guard = Guard(CA.issuing, CA.key, {REFERENCE: SECRET})
        self.asked = []

    def post(self, path, *, content, headers, effect):
        asked = wire.read(content)
        self.asked.append(asked)
        number, body = self.answer(asked)
        algorithm = self.algorithm or self.guard.algorithm(asked, weak=False)
        made = wire.header(asked, CA.name, self.clock.now(), secrets.token_bytes(16), algorithm, implicit=self.implicit)
        head, whole = wire.encode(made), wire.body(number, body)
        part = tlv(SEQUENCE, head, whole)
        try:
            protection = self.guard.protect(asked, algorithm, part)
        except Exception:
            protection = b"\x00" * 32
        sent = wire.message(head, whole, protection, list(self.certificates))
        return Answer(200, {"content-type": "application/pkixcmp"}, sent, self.clock.now(), (), effect)


def scripted(answer, algorithm=None, implicit=False, credential=None, **settings):
    """Return a client and its door."""
    clock = ManualClock(START)
    door = Door(answer, clock, algorithm, implicit)
    given = credential or SharedSecret(REFERENCE, Secret(SECRET))
    return CmpClient(door, CmpSettings(**settings), given, clock), door


def said(made):
    """Return an answer of the simulator's replies as (number, content)."""
    return replies.NUMBERS[made.kind], made.content
