"""The seam: what a transport need not have, it refuses with a way out."""

import pytest

from chancery.authorities.adcs.tests.stand import START, request
from chancery.authorities.adcs.transport import Transport
from chancery.sdk.errors import RejectedByPolicy


class Bare(Transport):
    name = "a bare transport"

    def check(self):
        return []

    def submit(self, request):
        raise NotImplementedError

    def poll(self, state, request):
        raise NotImplementedError


@pytest.mark.parametrize("act", [lambda t: t.find(request(), START), lambda t: t.adopt("7", request())])
def test_what_a_transport_cannot_do_is_refused_with_a_way_out(act):
    with pytest.raises(RejectedByPolicy) as caught:
        act(Bare())
    assert "a bare transport" in caught.value.message
    assert (caught.value.bytes_sent, bool(caught.value.remedy)) == (False, True)


def test_a_transport_without_lists_has_none():
    assert Bare().choices("template") == []
