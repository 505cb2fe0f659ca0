"""Names are unique and found whatever their capitals, widths and ligatures."""

import pytest

from chancery.apps.connectors import actions, queries
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles import queries as profile_queries
from chancery.apps.shared.tests.looking import refused
from chancery.apps.shared.texts import MOST_FOLDED, fold

TWINS = ("local ca", "LOCAL CA", "Ｌｏｃａｌ　ＣＡ", "ＬＯＣＡＬ ＣＡ")


def values(name, **more):
    return {"name": name, "team": "Operations", "environment": "Production", **more}


@pytest.mark.parametrize(("one", "other"), [("Straße", "STRASSE"), ("ﬁle", "FILE"), ("İ", "i̇"), ("①", "1")])
def test_what_a_reader_takes_for_the_same_folds_to_the_same(one, other):
    assert fold(one) == fold(other)
    assert fold(fold(one)) == fold(one)


@pytest.mark.django_db
@pytest.mark.parametrize("twin", TWINS)
def test_names_that_differ_in_capitals_or_width_are_one_name(cast, twin):
    made = actions.create(cast.ada, "local", values("Local CA"))
    other = actions.create(cast.ada, "local", values("Other"))
    with refused("name", code="taken"):
        actions.create(cast.ada, "local", values(twin))
    with refused("name", code="taken"):
        actions.edit(cast.ada, other.pk, 1, values(twin))
    with refused("name", code="taken"):
        actions.copy(cast.ada, other.pk, twin)
    assert actions.edit(cast.ada, made.pk, 1, values(twin)).name == twin
    for text in ("local c", "LOCAL C", "Ｌｏ"):
        assert [c.pk for c in queries.listing(cast.ada, "local", search=text).items] == [made.pk]


@pytest.mark.django_db
def test_profiles_are_unique_and_found_in_the_same_way(cast, local):
    with refused("name", code="taken"):
        profiles.create(cast.ada, {"name": "INTERNAL", "connector": "Local"})
    assert [p.name for p in profile_queries.listing(cast.ada, search="iNT").items] == ["Internal"]


@pytest.mark.django_db
@pytest.mark.parametrize("field", ["name", "region"])
def test_letters_that_stand_for_many_others_have_a_limit(cast, field):
    # One letter that NFKC writes out as eighteen.
    with refused(field, code="too_long"):
        actions.create(cast.ada, "local", {**values("Local"), field: "\ufdfa" * (MOST_FOLDED // 18 + 1)})
    actions.create(cast.ada, "local", {**values("Local"), field: "\ufdfa" * (MOST_FOLDED // 18)})
