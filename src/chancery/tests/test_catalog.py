"""Whatever an installed package does while it is loaded, the others work, and the reason is told."""

import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from chancery import catalog
from chancery.authorities.local.authority import Local
from chancery.core.errors import Absent
from chancery.sdk import Facts


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("cannot even say what it is")


class Cancelled(BaseException):
    pass


class Offer:
    """What importlib.metadata gives for an installed package."""

    name, value = "acme", "acme:Acme"
    dist = SimpleNamespace(name="acme-chancery", version="1.2")

    def __init__(self, found=None, error=None, name="acme", dist=dist):
        self._found, self._error, self.name, self.dist = found, error, name, dist

    def load(self):
        if self._error is not None:
            raise self._error
        return self._found


@pytest.fixture
def offered(monkeypatch):
    def install(*offers):
        monkeypatch.setattr(catalog, "entry_points", lambda group: list(offers))
        catalog.load.cache_clear()

    yield install
    catalog.load.cache_clear()


def acme(**changes):
    return type("Acme", (Local,), {"slug": "acme", "title": "Acme", **changes})


class Raises(type):
    @property
    def maker(cls):
        raise LookupError("no maker today")


class Leaves(type):
    @property
    def maker(cls):
        sys.exit("bye")


def with_meta(meta):
    # The maker that Local brings would hide the one of the metaclass.
    own = {name: value for name, value in vars(Local).items() if name not in {"maker", "__dict__", "__weakref__"}}
    return meta("Acme", (), {**own, "slug": "acme"})


BROKEN = [
    (Offer(error=ImportError("no module named acme_core")), "ImportError: no module named acme_core"),
    (Offer(error=SystemExit(3)), "SystemExit: 3"),
    (Offer(error=Cancelled()), "Cancelled"),
    (Offer(error=Mute()), "Mute"),
    (Offer(error=RuntimeError("line\n one")), "RuntimeError: line one"),
    (Offer(lambda: None), "leads to a function"),
    (Offer(acme(slug="other")), "not the class's slug 'other'"),
    (Offer(Local, name="local"), "the name 'local' is taken"),
    (Offer(acme(), name="Acme/1"), "cannot stand in an address"),
    (Offer(acme(api=(7, 9))), "contract versions 7 to 9; this is 1"),
    (Offer(acme(title="")), "does not fit: title"),
    (Offer(acme(maker=7, proof=None)), "does not fit: maker, proof"),
    (Offer(acme(facts=object())), "does not fit: facts"),
    (Offer(acme(facts=Facts(certificates=None))), "does not fit: facts"),
    (Offer(acme(default_base_url=None)), "does not fit: default_base_url"),
    (Offer(acme(base_urls=(("https://a.example",),))), "does not fit: base_urls"),
    (Offer(acme(base_urls=(("https://a.example", 1),))), "does not fit: base_urls"),
    (Offer(acme(config=dict)), "does not derive from the SDK's"),
    (Offer(acme(profile=7)), "TypeError"),
    (Offer(acme(submit=None)), "it lacks submit"),
    (Offer(with_meta(Raises)), "LookupError"),
    (Offer(with_meta(Leaves)), "SystemExit: bye"),
]


@pytest.mark.parametrize(("offer", "reason"), BROKEN, ids=[reason for _, reason in BROKEN])
def test_what_does_not_fit_shows_as_broken_and_stops_nothing(offered, offer, reason):
    offered(offer)
    (broken,) = catalog.broken()
    assert broken.slug == offer.name
    assert reason in broken.reason
    assert broken.reason.endswith("(from the package acme-chancery 1.2: update or remove it)")
    assert {d.slug for d in catalog.descriptors()} == set(catalog.BUILT_IN)
    if offer.name not in catalog.BUILT_IN:
        with pytest.raises(Absent):
            catalog.get(offer.name)


def test_one_broken_package_leaves_the_next_alone(offered):
    offered(Offer(error=ValueError("x"), name="abc"), Offer(acme()))
    assert [b.slug for b in catalog.broken()] == ["abc"]
    assert catalog.get("acme").title == "Acme"
    assert [d.title for d in catalog.descriptors()] == ["Acme", "DigiCert", "Local CA"]


def test_a_reason_holds_no_secret_and_is_short(offered):
    offered(Offer(error=ValueError("https://svc:hunter2@vault.example/ password=hunter2 " + "x" * 5000)))
    (broken,) = catalog.broken()
    assert "hunter2" not in broken.reason
    assert len(broken.reason) < 600


def test_a_person_who_interrupts_is_obeyed(offered):
    offered(Offer(error=KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        catalog.load()


def test_a_package_without_a_name_is_told_by_its_entry_point(offered):
    offered(EntryPoint("acme", "no_such_module_anywhere:Acme", catalog.GROUP))
    (broken,) = catalog.broken()
    assert "ModuleNotFoundError" in broken.reason
    assert "no_such_module_anywhere:Acme" in broken.reason
