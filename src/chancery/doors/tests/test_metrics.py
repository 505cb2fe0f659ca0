"""What Prometheus is given: the tables as they stand, to whoever may."""

from datetime import timedelta

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.accounts.models import Team
from chancery.apps.connectors.models import Connector, WorkerBeat
from chancery.apps.health import record
from chancery.apps.health.record import Tally
from chancery.apps.notices.models import Delivery, Notice
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.shared.action import current_clock
from tests.cast import PASSWORD, request_pem

pytestmark = pytest.mark.django_db


def scrape(token="", **more):
    headers = {"HTTP_AUTHORIZATION": f"Bearer {token}"} if token else {}
    return Client().get("/metrics", **headers, **more)


def token_of(cast, *grant):
    user = people.create_user(cast.host, "prometheus", PASSWORD, grants=[grant])
    return people.create_token(who.actor_of(user, how="test"), "scrape")[1]


@pytest.fixture
def token(cast):
    return token_of(cast, "monitor", None, None)


def values(token):
    answer = scrape(token)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    found = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            found[sample.name, *(f"{k}={v}" for k, v in sorted(sample.labels.items()))] = sample.value
    return found


LOCAL = ("authority=local", "connector=Local")


def test_orders_and_the_age_of_the_queue(cast, local, token):
    for name in ("a.example.com", "b.example.com"):
        place(cast.rob, PlaceOrder("Internal", request_pem(name)))
    place(cast.rob, PlaceOrder("Careful", request_pem("c.example.com")))
    found = values(token)
    assert found["chancery_orders", *LOCAL, "state=queued"] == 2
    assert found["chancery_orders", *LOCAL, "state=awaiting_approval"] == 1
    assert 0 <= found["chancery_queue_age_seconds", *LOCAL] < 60


def test_a_connector_with_its_breaker_and_health(local, token):
    Connector.objects.update(health="unreachable", failures=3, breaker_until=current_clock().now())
    found = values(token)
    assert found["chancery_connector_active", *LOCAL] == 1
    assert found["chancery_connector_breaker_open", *LOCAL] == 1
    assert found["chancery_connector_failures", *LOCAL] == 3
    assert found["chancery_connector_health", *LOCAL, "health=unreachable"] == 1
    Connector.objects.update(deleted_at=current_clock().now())
    assert not [key for key in values(token) if LOCAL[1] in key]


def test_calls_are_counters_and_a_histogram(local, token):
    made = Tally()
    for seconds in (0.02, 0.3, 44.0):
        made.add(1, seconds)
    failed = Tally()
    failed.add(2, 0.3)
    record.add(
        {(local.pk, "submit", "issued"): made, (local.pk, "submit", "Unreachable"): failed}, current_clock().now()
    )
    found = values(token)
    assert found["chancery_calls_total", *LOCAL, "operation=submit", "outcome=issued"] == 3
    assert found["chancery_calls_total", *LOCAL, "operation=submit", "outcome=Unreachable"] == 2
    assert found["chancery_certificates_issued_total", *LOCAL] == 3
    name = "chancery_call_duration_seconds"
    below = {
        le: found[f"{name}_bucket", *LOCAL, f"le={le}", "operation=submit"] for le in ("0.05", "0.5", "30.0", "+Inf")
    }
    assert below == {"0.05": 1, "0.5": 4, "30.0": 4, "+Inf": 5}
    assert found[f"{name}_count", *LOCAL, "operation=submit"] == 5
    assert found[f"{name}_sum", *LOCAL, "operation=submit"] == pytest.approx(44.92)


def test_workers_notices_and_what_expires(local, token):
    now = current_clock().now()
    beat = WorkerBeat.objects.create(host="node1", pid=1, started_at=now, seen_at=now - timedelta(seconds=3))
    mine = {"team_id": local.team_id, "environment_id": local.environment_id, "opened_at": now, "told_at": now}
    Notice.objects.create(kind="ca_stale", key="1", title="x", **mine)
    found = values(token)
    assert 3 <= found["chancery_worker_last_beat_seconds", "host=node1", f"worker={beat.pk}"] < 60
    assert found["chancery_notices_open", "kind=ca_stale"] == 1
    assert found["chancery_notices_unsent",] == Delivery.objects.count() == 0
    assert found["chancery_certificates_expiring", "within=30d"] == 0
    assert found["chancery_renewals_overdue",] == 0


def test_strangers_and_those_who_may_not_are_refused(cast, local, token):
    for given in ("", "chy_nonsense", people.create_token(cast.rob, "t")[1]):
        answer = scrape(given)
        assert answer.status_code == 401
        assert "metrics.view" in answer.content.decode()
        assert "Bearer" in answer["WWW-Authenticate"]
    assert Client().post("/metrics").status_code == 405


def test_a_grant_for_one_team_does_not_show_the_metrics_of_all(cast, local):
    assert scrape(token_of(cast, "ca_operator", Team.objects.get(name="Operations").pk, None)).status_code == 401


def test_this_machine_may_where_the_setting_says_so_but_no_proxy_on_it(local, settings):
    assert scrape(REMOTE_ADDR="127.0.0.1").status_code == 401
    settings.METRICS_ON_LOOPBACK = True
    assert scrape(REMOTE_ADDR="127.0.0.1").status_code == 200
    assert scrape(REMOTE_ADDR="::1").status_code == 200
    assert scrape(REMOTE_ADDR="192.0.2.7").status_code == 401
    assert scrape(REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR="192.0.2.7").status_code == 401
    assert scrape("chy_nonsense", REMOTE_ADDR="127.0.0.1").status_code == 401
