"""What the demo tells about ACME clients: the same at each start, and the truth once people have changed something."""

import pytest

from chancery.apps.accounts.models import User
from chancery.apps.accounts.queries import actor_of
from chancery.apps.acme import actions as acme
from chancery.apps.acme.models import Credential
from chancery.demo.acme import offered
from chancery.demo.prepare import prepare
from chancery.demo.tests.test_prepare import where

pytestmark = pytest.mark.django_db
URL = "http://127.0.0.1:8140"


def test_the_credential_is_made_once_and_told_as_long_as_it_counts(tmp_path):
    prepare(tmp_path, where(9, "key"))
    told = offered(tmp_path, URL)
    assert offered(tmp_path, URL) == told
    (credential,) = Credential.objects.all()
    assert f"--server {URL}/acme/directory" in told
    assert f"--eab-kid {credential.pk}" in told
    assert (tmp_path / "acme.json").stat().st_mode & 0o777 == 0o600
    acme.revoke_credential(actor_of(User.objects.get(username="admin"), how="test"), credential.pk)
    assert "is gone" in offered(tmp_path, URL)
    assert Credential.objects.count() == 1
