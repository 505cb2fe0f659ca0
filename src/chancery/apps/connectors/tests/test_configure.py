"""What a person fills in for a connector: what is refused, by which field, and what is kept."""

from dataclasses import replace

import pytest

from chancery import catalog
from chancery.apps.connectors.configure import configure
from chancery.apps.connectors.tests.account import API_KEY, values
from chancery.apps.shared.tests.looking import refused
from chancery.core.secret import Secret
from chancery.sdk.config import Config
from chancery.sdk.http import check_url
from tests.pki import self_signed_pem

pytestmark = pytest.mark.django_db


def done(slug="digicert", stored=frozenset(), **more):
    return configure(catalog.get(slug), values(**more), stored)


def test_common_fields_settings_and_secrets_are_told_apart(cast):
    found = done(tags="b, a,, b", description=" One\nTwo ", container_id="12", owner=" Kim ")
    assert (found.texts["name"], found.texts["description"], found.texts["owner"]) == ("Public CA", "One\nTwo", "Kim")
    assert (found.team.name, found.environment.name, found.tags) == ("Operations", "Production", ["a", "b"])
    assert found.settings["container_id"] == "12"
    assert "api_key" not in found.settings
    assert found.secrets == {"api_key": Secret(API_KEY)}
    assert API_KEY not in repr(found)


def test_every_problem_is_named_at_once(cast):
    with refused("name", "base_url", "team", "environment", "container_id", "colour"):
        done(name=" ", base_url="nonsense", team="Nobody", environment=None, container_id="x", colour="red")


def test_a_value_that_is_not_among_the_known_ones_is_refused_by_naming_those(cast):
    with refused("transport") as caught:
        named = {
            "account_number": "1",
            "client_secret": "x",
            "requestor_name": "Kim",
            "requestor_email": "kim@example.com",
        }
        done("emsign", api_key=None, transport="nope", **named)
    assert caught.value.problems[0].remedy == "Known are: v2, v1, acme."


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "a" * 121),
        ("name", "two\nlines"),
        ("name", ["a list"]),
        ("owner", "a" * 201),
        ("region", "a" * 61),
        ("description", "a" * 4001),
        ("description", "bell\x07"),
        ("contact", "\ud800"),
        ("container_id", "12\x00"),
        ("api_key", "key\x00"),
        ("api_key", ["key"]),
        ("api_key", 7),
        ("tags", ["a" * 61]),
        ("tags", [7]),
        ("tags", "a\tb"),
        ("tags", [f"t{i}" for i in range(51)]),
        ("team", {"id": 1}),
        ("trust_pem", "no certificate"),
        ("trust_pem", "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----"),
        ("trust_pem", "a" * 200_001),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_field(cast, field, value):
    with refused(field) as caught:
        done(**{field: value})
    assert "AA==" not in str(caught.value)


def test_a_missing_secret_is_named_by_its_title(cast):
    with refused("api_key") as caught:
        done(api_key="")
    assert caught.value.problems[0].message == "API key is required."


def test_a_stored_secret_may_be_left_blank(cast):
    assert done(stored=frozenset({"api_key"}), api_key="").secrets == {}
    assert done(stored=frozenset({"api_key"}), api_key=None).secrets == {}


def test_a_wrapped_secret_is_a_secret(cast):
    assert done(api_key=Secret(API_KEY)).secrets == {"api_key": Secret(API_KEY)}


def test_a_refusal_never_repeats_the_secret(cast):
    with refused("container_id") as caught:
        done(container_id="x")
    assert API_KEY not in str(caught.value)
    assert API_KEY not in repr([p.as_dict() for p in caught.value.problems])


URLS = [
    "ca.example.com",
    "http://ca.example.com",
    "ftp://ca.example.com",
    "https://",
    "https://kim:pass@ca.example.com",
    "https://ca.example.com/#a",
    "https://ca.example.com/a?b=c",
    "https://ca.example.com/../x",
    "https://ca.example.com:99999",
    "https://[::1",
    "https://ca.example.com\\@evil.example.com",
    "https://10.0.0.1/",
    "https://169.254.169.254/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://" + "a" * 500 + ".example.com",
]


@pytest.mark.parametrize("url", URLS)
def test_an_address_that_no_ca_has_is_refused(cast, url):
    with refused("base_url"):
        done(base_url=url)


def test_the_address_is_judged_as_the_engine_judges_it(cast):
    allowed = done(base_url="https://10.1.2.3/api/", allowed_networks="10.1.0.0/16")
    assert allowed.where["base_url"] == "https://10.1.2.3/api"
    from chancery.net.addresses import AddressPolicy

    assert check_url(allowed.where["base_url"], AddressPolicy(("10.1.0.0/16",))).host == "10.1.2.3"


def test_plain_http_is_for_an_allowed_loopback_alone(cast):
    with refused("base_url"):
        done(base_url="http://127.0.0.1:8080")
    with refused("base_url"):
        done(base_url="http://10.1.2.3", allowed_networks="10.1.0.0/16")
    assert done(base_url="http://127.0.0.1:8080", allowed_networks="127.0.0.0/8").where["base_url"]
    assert done(base_url="http://localhost:8080", allowed_networks=["127.0.0.0/8"]).where["base_url"]


@pytest.mark.parametrize(("transport", "goes"), [("cmp", True), ("est", False)])
def test_plain_http_is_for_what_protects_its_own_messages_too(cast, transport, goes):
    own = {"username": "app", "password": "x", "issuing_ca": "CA", "transport": transport}
    asked = {"api_key": None, "reference_field_id": None, "container_id": None, "base_url": "http://emca.example.com"}
    if goes:
        assert done("emca", **own, **asked).where["base_url"] == "http://emca.example.com"
        with refused("base_url"):
            done("emca", **own, **asked | {"base_url": "http://10.0.0.1"})
    else:
        with refused("base_url"):
            done("emca", **own, **asked)


def test_a_ca_type_that_has_secrets_alone_is_no_reason_for_plain_http(cast):
    class Alone(Config):
        api_key: Secret

    about = replace(catalog.get("digicert"), config=Alone)
    only = values(reference_field_id=None, container_id=None, base_url="http://ca.example.com")
    with refused("base_url"):
        configure(about, only)


def test_the_usual_address_stands_in_for_an_empty_one(cast):
    assert done(base_url="").where["base_url"] == catalog.get("digicert").default_base_url


def test_an_embedded_ca_has_no_address(cast):
    found = configure(catalog.get("local"), catalog.prepare("local", values(api_key=None, base_url="anything")))
    assert found.where["base_url"] == ""


@pytest.mark.parametrize("proxy", ["proxy", "socks5://proxy:1080", "http://kim:pass@proxy:3128", "http://proxy/?a=b"])
def test_a_proxy_is_a_plain_url(cast, proxy):
    with refused("proxy") as caught:
        done(proxy=proxy)
    assert "kim" not in str(caught.value)


def test_a_proxy_may_speak_http(cast):
    assert done(proxy="http://proxy.example.com:3128").where["proxy"] == "http://proxy.example.com:3128"


@pytest.mark.parametrize(
    "network",
    [
        *("nonsense", "10.1.2.3/8", "10.0.0.0/7", "0.0.0.0/0", "::/0", "0.0.0.0/1", "8.0.0.0/5", "192.0.0.0/2"),
        *("fc00::/6", "169.254.0.0/16", "169.254.169.254/32", "fe80::/10", "224.0.0.0/4", "8.8.8.0/24", "2000::/3"),
    ],
)
def test_a_network_that_opens_too_much_or_nothing_is_refused(cast, network):
    with refused("allowed_networks"):
        done(allowed_networks=network)


def test_private_shared_and_loopback_networks_are_opened(cast):
    text = "10.1.0.0/16, 100.64.0.0/10 fd00:1::/32 127.0.0.1 10.1.0.0/16"
    found = done(allowed_networks=text).where["allowed_networks"]
    assert found == ["10.1.0.0/16", "100.64.0.0/10", "127.0.0.1/32", "fd00:1::/32"]
    assert done(allowed_networks=found).where["allowed_networks"] == found


def test_a_trust_bundle_of_certificates_is_kept(cast):
    bundle = self_signed_pem()
    assert done(trust_pem=f"\n{bundle}\n").where["trust_pem"] == bundle.strip()


def test_what_decides_where_secrets_go_is_known(cast):
    assert set(done().destination()) == {"base_url", "proxy", "trust_pem", "allowed_networks"}
