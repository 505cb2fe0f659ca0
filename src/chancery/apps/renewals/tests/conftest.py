"""Certificates as the engine stores them, at a moment of the test's choice."""

import pytest

from chancery.apps.certificates.tests.conftest import NOW, clock, issued  # noqa: F401  fixtures
from chancery.apps.profiles.models import Profile
from chancery.apps.renewals import planning
from chancery.apps.renewals.models import Plan


@pytest.fixture
def policy(local):
    """Set what the profile Internal does about renewals, and plan by it."""

    def choose(renewal, share=67, now=NOW):
        row = Profile.objects.get(name="Internal")
        Profile.objects.filter(pk=row.pk).update(renewal=renewal, renewal_share=share, revision=row.revision + 1)
        planning.recover(now, {})

    return choose


@pytest.fixture
def planned(issued, policy):
    """Return a certificate's plan by a policy; `columns` are the certificate's."""

    def make(renewal="same_key", **columns):
        made = issued(**columns)
        planning.cover(NOW, {})
        policy(renewal)
        return Plan.objects.get(pk=made.pk)

    return make
