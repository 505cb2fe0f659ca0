"""An order that is placed is answered in the same words as the framework, by its models, finds for a listing."""

import json

import pytest
from django.test import Client

from chancery.apps.accounts import actions as people
from chancery.apps.orders import grouping
from tests.cast import request_pem

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client(cast, local):
    yield Client(HTTP_AUTHORIZATION=f"Bearer {people.create_token(cast.ada, 'test')[1]}")
    grouping.close()


def test_the_answer_is_what_a_listing_says(client):
    body = json.dumps({"profile": "Internal", "csr": request_pem("a.example.com"), "comment": "für ‘a’"})
    sent = {"data": body, "content_type": "application/json", "headers": {"Idempotency-Key": "one"}}
    placed, again = (client.post("/api/v1/orders", **sent) for _ in range(2))
    assert (placed.status_code, again.status_code) == (201, 200)
    assert placed.content == again.content
    assert placed.content in client.get("/api/v1/orders").content
    assert placed["Location"] == f"/api/v1/orders/{placed.json()['id']}"
    assert placed["Content-Type"] == "application/json; charset=utf-8"
