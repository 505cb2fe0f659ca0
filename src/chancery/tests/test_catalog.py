"""Whatever an installed package does while it is loaded, the others work, and the reason is told."""

import sys
from dataclasses import replace
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

    name, value = "zenith", "zenith:Zenith"
    dist = SimpleNamespace(name="zenith-chancery", version="1.2")

    def __init__(self, found=None, error=None, name="zenith", dist=dist):
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


def zenith(**changes):
    return type("Zenith", (Local,), {"slug": "zenith", "title": "Zenith", **changes})


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
    return meta("Zenith", (), {**own, "slug": "zenith"})


BROKEN = [
    (Offer(error=ImportError("no module named zenith_core")), "ImportError: no module named zenith_core"),
    (Offer(error=SystemExit(3)), "SystemExit: 3"),
    (Offer(error=Cancelled()), "Cancelled"),
    (Offer(error=Mute()), "Mute"),
    (Offer(error=RuntimeError("line\n one")), "RuntimeError: line one"),
    (Offer(lambda: None), "leads to a function"),
    (Offer(zenith(slug="other")), "not the class's slug 'other'"),
    (Offer(Local, name="local"), "the name 'local' is taken"),
    (Offer(zenith(), name="Zenith/1"), "cannot stand in an address"),
    (Offer(zenith(api=(7, 9))), "contract versions 7 to 9; this is 1"),
    (Offer(zenith(title="")), "does not fit: title"),
    (Offer(zenith(maker=7, proof=None)), "does not fit: maker, proof"),
    (Offer(zenith(facts=object())), "does not fit: facts"),
    (Offer(zenith(facts=Facts(certificates=None))), "does not fit: facts"),
    (Offer(zenith(default_base_url=None)), "does not fit: default_base_url"),
    (Offer(zenith(base_urls=(("https://a.example",),))), "does not fit: base_urls"),
    (Offer(zenith(base_urls=(("https://a.example", 1),))), "does not fit: base_urls"),
    (Offer(zenith(config=dict)), "does not derive from the SDK's"),
    (Offer(zenith(profile=7)), "TypeError"),
    (Offer(zenith(submit=None)), "it lacks submit"),
    (Offer(with_meta(Raises)), "LookupError"),
    (Offer(with_meta(Leaves)), "SystemExit: bye"),
]


@pytest.mark.parametrize(("offer", "reason"), BROKEN, ids=[reason for _, reason in BROKEN])
def test_what_does_not_fit_shows_as_broken_and_stops_nothing(offered, offer, reason):
    offered(offer)
    (broken,) = catalog.broken()
    assert broken.slug == offer.name
    assert reason in broken.reason
    assert broken.reason.endswith("(from the package zenith-chancery 1.2: update or remove it)")
    assert {d.slug for d in catalog.descriptors()} == set(catalog.BUILT_IN)
    if offer.name not in catalog.BUILT_IN:
        with pytest.raises(Absent):
            catalog.get(offer.name)


def test_one_broken_package_leaves_the_next_alone(offered):
    offered(Offer(error=ValueError("x"), name="abc"), Offer(zenith()))
    assert [b.slug for b in catalog.broken()] == ["abc"]
    assert catalog.get("zenith").title == "Zenith"
    assert [d.title for d in catalog.descriptors()] == sorted(
        ["Zenith", *(catalog.get(slug).title for slug in catalog.BUILT_IN)], key=str.lower
    )


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
    offered(EntryPoint("zenith", "no_such_module_anywhere:Zenith", catalog.GROUP))
    (broken,) = catalog.broken()
    assert "ModuleNotFoundError" in broken.reason
    assert "no_such_module_anywhere:Zenith" in broken.reason


def test_what_a_type_makes_by_itself_is_tried_and_a_faulty_one_makes_nothing(offered):
    class Stumbling(Local):
        @classmethod
        def prepare(cls, values):
            return {**values, "issuing_key": values["subject"]}

    assert {"chain_pem", "issuing_key"} <= catalog.made("local")
    assert catalog._made(Stumbling) == frozenset()
    assert catalog._made(object) == frozenset()


def test_public_trust_is_what_a_type_says_of_itself_and_a_faulty_one_says_nothing(offered):
    def said(found, **facts):
        class Zenith(Local):
            slug = "zenith"
            publicly_trusted = found

        offered(Offer(Zenith))
        about = replace(Local.facts.certificates, **facts)
        return catalog.publicly_trusted("zenith", "https://ca.example.com", {}, {}, about)

    assert said(classmethod(lambda *_: True)) is True
    assert said(classmethod(lambda *_: False)) is False
    assert said(classmethod(lambda *_: "yes")) is False
    assert said(classmethod(lambda *_: 1 / 0)) is False
    assert said(classmethod(lambda *_: False), public_tls=True) is True
    assert catalog.publicly_trusted("local", "", {}, {}, Local.facts.certificates) is False
