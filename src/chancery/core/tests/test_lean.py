import pickle
from dataclasses import dataclass

import pytest

from chancery.core.certificate import facts
from chancery.core.keys import describe_key
from chancery.core.lean import Lean
from chancery.core.names import Name
from chancery.core.tests import making


@dataclass(frozen=True, slots=True)
class Pair(Lean):
    left: str
    right: tuple


@pytest.mark.parametrize("value", [Pair("a", (1, Pair("b", ()))), Name("dns", "a.example")])
def test_a_value_comes_back_equal(value):
    assert pickle.loads(pickle.dumps(value)) == value


def test_a_certificates_facts_come_back_equal():
    key = making.key_of("EC-P256")
    value = facts(making.certify("a.example", key=key).der)
    assert pickle.loads(pickle.dumps(value)) == value
    assert pickle.loads(pickle.dumps(describe_key(key.public_key()))) == value.key
