"""Posture through its doors: what the pages say, and what a decision does to them."""

import pytest
from django.urls import reverse

from chancery.apps.accounts import actions as people
from chancery.apps.posture import queries
from chancery.doors.console.tests.test_console import logged_in, text

pytestmark = pytest.mark.django_db


def test_a_finding_is_shown_decided_and_gone_from_what_is_open(cast, local, client):
    ada = logged_in("ada")
    said = text(ada.get(reverse("posture")))
    assert "has no owner and no contact" in said
    key = next(one.finding.key for one in queries.listing(cast.ada).items if one.finding.kind == "nobody")
    page = reverse("posture_finding", args=[key])
    assert "Say who is called when it fails." in text(ada.get(page))
    decide = reverse("posture_decide", args=[key])
    until = (queries.limits().now.date().replace(day=1)).replace(year=queries.limits().now.year + 1)
    given = {"until": until.isoformat(), "owner": "Platform", "reason": "They are being found."}
    done = text(ada.post(decide, given, follow=True))
    assert "It is noted." in done
    assert "has no owner" not in done
    assert "They are being found." in text(ada.get(reverse("posture"), {"state": "decided"}))
    assert logged_in("rob").get(reverse("posture")).status_code == 403
    assert ada.get(reverse("posture"), {"kind": "weather"}).status_code == 422
    headers = {"Authorization": f"Bearer {people.create_token(cast.ada, 'test')[1]}"}
    found = client.get("/api/v1/posture?state=decided", headers=headers).json()["items"]
    assert [(one["key"], one["owner"]) for one in found] == [(key, "Platform")]
    opened = client.put(f"/api/v1/posture/{key}", {}, content_type="application/json", headers=headers)
    assert (opened.status_code, opened.json()["until"]) == (200, None)
