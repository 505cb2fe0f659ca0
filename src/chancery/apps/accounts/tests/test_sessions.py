"""Sessions stand under a digest of the key that the browser has."""

import pytest

from chancery.apps.accounts.sessions import SessionStore, digest

pytestmark = pytest.mark.django_db


def test_a_key_leads_to_its_data_and_the_table_does_not_hold_it():
    made = SessionStore()
    made["said"] = "this"
    made.save()
    assert SessionStore.get_model_class().objects.get().session_key == digest(made.session_key) != made.session_key
    found = SessionStore(made.session_key)
    assert (found["said"], found.session_key) == ("this", made.session_key)


@pytest.mark.parametrize("key", [None, "k" * 32])
def test_no_key_and_one_that_leads_to_nothing_are_forgotten(key):
    store = SessionStore(key)
    assert store._get_session_from_db() is None
    assert store.session_key is None
