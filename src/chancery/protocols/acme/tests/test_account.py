"""Accounts: found by their key, made once, bound, closed, moved to another key; and what the diagnosis says of them."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chancery.core.secret import Secret
from chancery.protocols.acme.account import roll
from chancery.protocols.acme.keys import AccountKey, new_account_key
from chancery.protocols.acme.settings import AcmeSettings, Eab, OrderSettings
from chancery.protocols.acme.simulator import EAB_KEY, EAB_KEY_ID
from chancery.protocols.acme.tests.stand import KEY, PLAIN, SETTINGS, Door, request, scripted, stand
from chancery.sdk.errors import AuthFailed, Forbidden, OutcomeUnknown, ProtocolViolation, RejectedByPolicy, Unreachable
from chancery.sdk.finding import Level

DIRECT = {"preauthorized": True}
BOUND = AcmeSettings(terms_agreed=True, eab=Eab(EAB_KEY_ID, Secret(EAB_KEY)))


def accounts(place):
    return place.simulator.state()["accounts"]


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_an_account_is_made_by_the_first_order_and_found_by_the_next():
    with stand(**DIRECT) as place:
        settings = AcmeSettings(contacts=("pki@example.com", "ops@example.com"), terms_agreed=True)
        for _ in range(2):
            place.issue(place.steps(settings))
        assert accounts(place) == [
            {
                "id": "1",
                "status": "valid",
                "contact": ["mailto:pki@example.com", "mailto:ops@example.com"],
                "bound": False,
            }
        ]


@pytest.mark.parametrize("how", ["lose", "error", "half", "garbled"])
def test_a_lost_account_is_found_by_its_key_and_its_binding_not_offered_twice(how):
    with stand(eab_required=True, **DIRECT) as place:
        # The first call looks; the second makes the account.
        steps = place.steps(BOUND)
        with pytest.raises(AuthFailed):
            place.steps(AcmeSettings(terms_agreed=True)).submit(request(), PLAIN)
        look = place.simulator.dials.next_fault

        def second(call, seen=[]):  # noqa: B006  never changed
            seen.append(call) if "new-acct" in call else None
            return how if len(seen) == 2 and "new-acct" in call else look(call)

        place.simulator.dials.next_fault = second
        with pytest.raises((OutcomeUnknown, ProtocolViolation)) as unknown:
            steps.submit(request(), PLAIN)
        assert not unknown.value.bytes_sent
        place.issue(place.steps(BOUND))
        assert [a["bound"] for a in accounts(place)] == [True]


@pytest.mark.parametrize(
    "text", [EAB_KEY, EAB_KEY + "==", f" {EAB_KEY[:20]}\n{EAB_KEY[20:]} ", EAB_KEY.replace("-", "+").replace("_", "/")]
)
def test_a_binding_key_is_taken_in_every_form(text):
    with stand(eab_required=True, **DIRECT) as place:
        place.issue(place.steps(AcmeSettings(terms_agreed=True, eab=Eab(f" {EAB_KEY_ID} ", Secret(text), "HS384"))))


@pytest.mark.parametrize("text", ["", "no base64 at all!", "é"])
def test_a_binding_key_that_is_none_is_told_and_not_quoted(text):
    with stand(eab_required=True) as place:
        steps = place.steps(AcmeSettings(terms_agreed=True, eab=Eab("x", Secret(text), "HS1")))
        with pytest.raises(AuthFailed) as refused:
            steps.submit(request(), PLAIN)
        assert refused.value.code == "eab"
        assert not text or text not in f"{vars(refused.value)}"
        failed = [f for f in steps.check() if f.level is Level.FAILED]
        assert [f.code for f in failed] == ["eab"]


def test_a_binding_is_good_for_one_account():
    with stand(eab_required=True, **DIRECT) as place:
        place.issue(place.steps(BOUND))
        with pytest.raises(AuthFailed) as refused:
            place.steps(BOUND, key=new_account_key()).submit(request(), PLAIN)
        assert "once" in refused.value.remedy


def test_what_stands_in_the_way_of_an_account_is_told_beforehand():
    with stand(eab_required=True) as place:
        steps = place.steps(AcmeSettings())
        with pytest.raises(Forbidden):
            steps.submit(request(), PLAIN)
        assert {f.code for f in steps.check() if f.level is Level.FAILED} == {"terms", "eab"}
        agreed = place.steps(SETTINGS)
        with pytest.raises(AuthFailed) as refused:
            agreed.submit(request(), PLAIN)
        assert refused.value.code == "externalAccountRequired"
        assert {f.code for f in place.steps(BOUND).check() if f.stage == "login"} == {"directory", "no_account"}
        assert accounts(place) == []


def test_contacts_that_the_ca_does_not_take_are_the_connectors_fault():
    with stand(refuse_contacts=True) as place, pytest.raises(Forbidden) as refused:
        place.issue(place.steps(AcmeSettings(contacts=("pki@example.com",), terms_agreed=True)))
    assert "contact" in refused.value.remedy


def test_terms_that_are_asked_for_only_by_the_account_are_told():
    def answer(method, path, payload):
        if path != "/newAccount":
            return None
        kind = "accountDoesNotExist" if "onlyReturnExisting" in payload else "userActionRequired"
        return 403, {"type": f"urn:ietf:params:acme:error:{kind}", "detail": "agree first"}

    steps, _ = scripted(answer)
    with pytest.raises(Forbidden) as refused:
        steps.submit(request(), PLAIN)
    assert "terms" in refused.value.remedy


@pytest.mark.parametrize(("kind", "error"), [("malformed", Forbidden), ("badPublicKey", AuthFailed)])
def test_an_account_that_is_refused_for_any_other_reason_is_the_connectors_fault(kind, error):
    def answer(method, path, payload):
        if path != "/newAccount":
            return None
        found = "accountDoesNotExist" if "onlyReturnExisting" in payload else kind
        return 400, {"type": f"urn:ietf:params:acme:error:{found}", "detail": "no"}

    steps, _ = scripted(answer)
    with pytest.raises(error) as refused:
        steps.submit(request(), PLAIN)
    assert (refused.value.text, refused.value.remedy != "") == ("no", True)


@pytest.mark.parametrize("status", ["deactivated", "revoked"])
def test_a_closed_account_is_the_connectors_fault(status):
    reply = 200, {"status": status}, {"location": "https://ca.example/acct/1"}
    steps, _ = scripted(lambda m, path, p: reply if path == "/newAccount" else None)
    with pytest.raises(AuthFailed) as refused:
        steps.submit(request(), PLAIN)
    assert refused.value.remedy
    assert [f.code for f in steps.check() if f.level is Level.FAILED] == ["account"]


def test_an_account_that_the_ca_closed_is_not_let_in():
    with stand(**DIRECT) as place:
        place.issue()
        place.turn(refuse_key=True)
        with pytest.raises(AuthFailed):
            place.steps().submit(request(), PLAIN)
        with pytest.raises(AuthFailed):
            place.steps().check()


def test_an_account_without_an_address_or_of_another_shape_is_no_account():
    for reply in [(200, {"status": "valid"}), (200, b"[]"), (500, b"")]:
        steps, _ = scripted(lambda m, path, p, reply=reply: reply if path == "/newAccount" else None)
        with pytest.raises((ProtocolViolation, Unreachable)):
            steps.submit(request(), PLAIN)


# Keys --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(c()) for c in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)]
    + [rsa.generate_private_key(65537, 2048)],
    ids=["P-256", "P-384", "P-521", "RSA"],
)
def test_every_kind_of_account_key_signs(key):
    with stand(**DIRECT) as place:
        place.issue(place.steps(key=pem(key)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no key",
        pem(ed25519.Ed25519PrivateKey.generate()),
        pem(ec.generate_private_key(ec.SECP224R1())),
        pem(rsa.generate_private_key(65537, 1024)),
    ],
    ids=["empty", "no key", "Ed25519", "P-224", "RSA-1024"],
)
def test_a_key_that_cannot_be_an_account_is_told(text):
    with pytest.raises(AuthFailed) as refused:
        AccountKey(Secret(text))
    assert refused.value.remedy


def moved(old, new=None):
    return AcmeSettings(terms_agreed=True, previous_key=Secret(old)), new or new_account_key()


def test_an_account_is_moved_to_a_new_key():
    with stand(**DIRECT) as place:
        place.issue()
        settings, fresh = moved(KEY)
        assert "new_key" in {f.code for f in place.steps(settings, key=fresh).check()}
        for _ in range(2):
            place.issue(place.steps(settings, key=fresh))
        assert len(accounts(place)) == 1
        assert "no_account" in {f.code for f in place.steps(SETTINGS, key=KEY).check()}


@pytest.mark.parametrize("how", ["lose", "error"])
def test_a_lost_move_is_seen_at_the_next_try(how):
    with stand(**DIRECT) as place:
        place.issue()
        settings, fresh = moved(KEY)
        place.turn(fail_next=1, fail_next_with=how, fail_next_path="key-change")
        with pytest.raises(OutcomeUnknown) as unknown:
            place.steps(settings, key=fresh).submit(request(), PLAIN)
        assert not unknown.value.bytes_sent
        place.issue(place.steps(settings, key=fresh))
        assert len(accounts(place)) == 1


def test_a_former_key_that_nobody_knows_is_of_no_use():
    with stand(**DIRECT) as place:
        settings, fresh = moved(new_account_key())
        place.issue(place.steps(settings, key=fresh))
        assert len(accounts(place)) == 1


def test_a_key_that_another_account_has_is_refused():
    with stand(**DIRECT) as place:
        other = new_account_key()
        place.issue()
        place.issue(place.steps(key=other))
        client = place.steps()._client
        account = place.steps()._account.url()
        with pytest.raises(RejectedByPolicy):
            roll(client, account, AccountKey(Secret(KEY)), AccountKey(Secret(other)))


def test_a_ca_that_changes_no_keys_says_so():
    with stand(no_key_change=True, **DIRECT) as place:
        place.issue()
        settings, fresh = moved(KEY)
        with pytest.raises(ProtocolViolation) as told:
            place.steps(settings, key=fresh).submit(request(), PLAIN)
        assert "keyChange" in told.value.message


# The diagnosis -----------------------------------------------------------------------------------------


def test_the_diagnosis_tells_the_directory_and_the_account():
    with stand(**DIRECT) as place:
        place.issue()
        found = {f.code: f for f in place.steps().check()}
        assert "classic, shortlived" in found["directory"].evidence
        assert found["account"].level is Level.OK
        assert found["no_certificate"].level is Level.SKIPPED
        assert "no_challenge" in {f.code for f in place.steps(solver=None).check()}


def test_a_profile_that_is_not_on_offer_is_found_beforehand():
    with stand() as place:
        found = place.steps().check([OrderSettings("gold"), OrderSettings("classic"), OrderSettings()])
        assert [f.message for f in found if f.level is Level.FAILED] == ["The CA does not offer the profile 'gold'."]


def test_a_bare_directory_has_nothing_to_say_but_warns():
    bare = {n: u for n, u in Door.directory.items() if n != "revokeCert"}
    steps, _ = scripted(lambda m, path, p: bare if path == "/directory" else None)
    found = {f.code: f for f in steps.check([OrderSettings("gold")])}
    assert found["directory"].evidence == ""
    assert found["no_revocation"].level is Level.WARNING
    assert found["profile"].evidence == "It offers: none"


class Troubled:
    type, local, waits_for_people = "dns-01", False, False

    def __init__(self, trouble):
        self._trouble = trouble

    def trouble(self):
        if isinstance(self._trouble, Exception):
            raise self._trouble
        return self._trouble


@pytest.mark.parametrize(
    "trouble", [("No provider.", "Choose one."), AuthFailed("Refused.", remedy="Look."), ProtocolViolation("Odd.")]
)
def test_what_is_wrong_with_the_challenge_is_a_finding(trouble):
    with stand() as place:
        failed = [f for f in place.steps(solver=Troubled(trouble)).check() if f.level is Level.FAILED]
    assert [(f.stage, f.code, bool(f.remedy)) for f in failed] == [("rights", "challenge", True)]
