"""The contract, for the CA that needs nothing outside."""

from contextlib import contextmanager

from chancery.authorities.local.authority import Local, make_hierarchy
from chancery.sdk.testing import START, Case, Conformance


class TestLocal(Conformance):
    authority = Local

    @contextmanager
    def case(self):
        chain, key = make_hierarchy("Conformance CA", "EC-P256", 10, START)
        yield Case(config={"chain_pem": chain, "issuing_key": key})
