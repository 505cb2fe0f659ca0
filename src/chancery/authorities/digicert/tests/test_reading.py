"""Files, tokens, lists of changes: what the connector makes of documents in all their forms."""

import base64
import io
import zipfile
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from chancery.authorities.digicert.board import Board
from chancery.authorities.digicert.bundle import certificates, chain_in, pick
from chancery.authorities.digicert.records import instruction, record_of, records_in
from chancery.authorities.digicert.search import same_key
from chancery.authorities.digicert.tests.stand import START, request, scripted
from chancery.core.csr import parse
from chancery.sandbox.ca import SandboxCa, pem
from chancery.sdk.errors import AuthFailed, RejectedByPolicy, Throttled, Unreachable
from chancery.sdk.outcome import Absence, Issued, Pending, PendingKind

ASKED = request()
CA = SandboxCa(START)


@pytest.fixture(scope="module")
def chain():
    csr = x509.load_der_x509_csr(parse(ASKED.csr_pem).der)
    return CA.chain(CA.issue(csr.public_key(), "www.example.com", ["www.example.com"], START, 30))


def packed(*files):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for number, content in enumerate(files):
            archive.writestr(f"{number}.crt", content)
    return made.getvalue()


FORMS = {
    "pem": lambda c: pem(c).encode(),
    "pem without line ends of DOS": lambda c: pem(c, "\n").encode(),
    "pem with words around": lambda c: b"subject=/CN=x\n" + pem(c).encode() + b"\nthe end",
    "p7b in pem": lambda c: pkcs7.serialize_certificates(c, Encoding.PEM),
    "p7b in der": lambda c: pkcs7.serialize_certificates(c, Encoding.DER),
    "zip of pem": lambda c: packed(*(pem([one]) for one in c)),
    "zip of der": lambda c: packed(*(one.public_bytes(Encoding.DER) for one in c)),
    "shuffled and doubled": lambda c: pem([*reversed(c), *c]).encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_chain_is_read_in_every_form(form, chain):
    issued = pick(FORMS[form](chain), ASKED, "1/2")
    assert issued.leaf == chain[0].public_bytes(Encoding.DER)
    assert sorted(issued.chain) == sorted(c.public_bytes(Encoding.DER) for c in chain[1:])


def test_a_single_certificate_in_der_is_read(chain):
    assert certificates(chain[0].public_bytes(Encoding.DER)) == [chain[0].public_bytes(Encoding.DER)]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"PK\x03\x04 no archive",
        packed(packed(b"x")),
        b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----",
    ],
)
def test_what_is_no_certificate_is_none(raw):
    assert certificates(raw) == []
    assert pick(raw, ASKED, "") is None


def test_a_chain_for_another_key_is_not_ours(chain):
    assert pick(FORMS["pem"](chain), request(), "") is None


def test_a_chain_in_an_answer_survives_odd_rows(chain):
    rows = [{"pem": pem([c])} for c in chain]
    assert pick(chain_in({"certificate_chain": [None, {"pem": 7}, *rows]}), ASKED, "") is not None
    assert chain_in({"certificate_chain": None}) == b""


def test_a_request_is_known_by_its_key_in_pem_and_bare_base64():
    der = parse(ASKED.csr_pem).der
    assert same_key(ASKED.csr_pem, ASKED)
    assert same_key(base64.b64encode(der).decode(), ASKED)
    assert same_key("".join(ASKED.csr_pem.splitlines()), ASKED)
    assert not same_key("------ [CSR HERE] ------", ASKED)
    assert not same_key(None, ASKED)
    assert not same_key(request().csr_pem, ASKED)


# What has to be made where -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "token", "text"),
    [
        ("dns-txt-token", {}, "Make a TXT record at a.org with the value T."),
        ("dns-txt-token", {"expiration_date": "2026-12-23T12:00:00+00:00"}, "value T, valid until 2026-12-23."),
        (
            "dns-cname-token",
            {"verification_value": "dcv.digicert.com"},
            "CNAME record T.a.org that points to dcv.digicert.com",
        ),
        ("dns-cname-token", {}, "Validate a.org (dns-cname-token) at DigiCert with the value T."),
        ("http-token", {"http_token_url": "http://a.org/f.txt"}, "a file with the text T at http://a.org/f.txt."),
        ("http-token", {}, "the place at a.org that the order's page at DigiCert names"),
        ("email", {}, "e-mail about a.org"),
        ("", {}, "Validate a.org at DigiCert with the value T."),
        ("dns-persist", {}, "Validate a.org (dns-persist) at DigiCert with the value T."),
    ],
)
def test_instructions_say_what_the_answer_holds_and_guess_nothing(method, token, text):
    assert text in instruction(record_of("a.org", method, {"token": "T", **token}), "a.org")


def test_records_come_from_domains_and_from_the_random_value():
    domains = [{"dns_name": "a.org", "dcv_token": {"token": "T"}}, {"dns_name": "b.org"}, None]
    assert [r["name"] for r in records_in({"domains": domains}, "dns-txt-token")] == ["a.org"]
    assert [r["token"] for r in records_in({"dcv_random_value": "R"}, "")] == ["R"]
    assert records_in({"domains": {}}, "") == []


def stuck(**answers_of):
    """An order that is pending, with a /validation and further answers by the last part of their path."""

    def answer(method, path, body):
        found = answers_of.get(path.rpartition("/")[2].replace("-", "_"))
        if found is not None:
            return found
        if path == "order/certificate/7":
            return {
                "id": 7,
                "status": "pending",
                "certificate": {"common_name": "a.org"},
                "dcv_method": "dns-txt-token",
            }
        return 404, {"errors": [{"code": "not_found|route"}]}

    return scripted(answer)[0]


def look(ca):
    return ca.poll({"v": 1, "order": "7"}, ASKED)


OPEN = {"dns_name_validations": [{"dns_names": ["a.org"], "status": "pending", "method": "dns-txt-token"}]}


def test_a_value_is_asked_for_where_no_domain_has_one():
    value = {"dcv_random_value": "R", "expiration_date": "2026-12-23"}
    assert (
        "TXT record at a.org with the value R, valid until 2026-12-23"
        in look(stuck(validation=OPEN, dcv_random_value=value)).text
    )


@pytest.mark.parametrize(
    "answer", [{}, (403, {"errors": [{"code": "access_denied|missing_permission"}]}), (400, {}), b"[]"]
)
def test_without_a_value_the_open_name_is_told_all_the_same(answer):
    pending = look(stuck(validation=OPEN, dcv_random_value=answer))
    assert pending.kind is PendingKind.VALIDATION
    assert "a.org is not validated yet (dns-txt-token)." in pending.text


@pytest.mark.parametrize(
    "answer", [{}, (403, {"errors": [{"code": "access_denied|missing_permission"}]}), (400, {}), b"{"]
)
def test_an_order_does_not_fail_for_want_of_an_explanation(answer):
    assert look(stuck(validation=answer)).text == "DigiCert validates the domain or the organisation."


@pytest.mark.parametrize(("status", "kind"), [(503, Unreachable), (429, Throttled), (401, AuthFailed)])
def test_but_the_engine_hears_that_the_ca_is_away(status, kind):
    with pytest.raises(kind):
        look(stuck(validation=(status, b"")))


def test_many_open_names_are_counted():
    checks = [{"dns_names": [f"{n}.org"], "status": "pending", "method": "email"} for n in range(8)]
    text = look(stuck(validation={"dns_name_validations": checks})).text
    assert text.count("e-mail about") == 5
    assert "3 more names are open." in text


def test_an_old_word_for_an_order_with_its_certificate(chain):
    def answer(method, path, body):
        if "download" in path:
            return 200, pem(chain).encode()
        return {"id": 7, "status": "approved", "certificate": {"id": 9, "serial_number": "0A", "csr": ASKED.csr_pem}}

    ca, _ = scripted(answer)
    assert isinstance(look(ca), Issued)


def test_approved_without_certificate_waits():
    ca, _ = scripted(lambda *_: {"id": 7, "status": "approved", "certificate": {"id": 9}})
    assert isinstance(look(ca), Pending)


# Lists ---------------------------------------------------------------------------------------------


def test_an_empty_list_as_it_was_recorded():
    ca, _ = scripted(lambda *_: {"page": {"total": 0, "limit": 1, "offset": 0}})
    assert isinstance(ca.find(ASKED, START), Absence)


def test_a_total_that_is_too_small_does_not_end_a_full_page():
    pages = [[{"id": n, "custom_fields": [{"value": "chancery:x"}]} for n in range(1, 1001)], [], []]

    ca, door = scripted(lambda *_: {"orders": pages.pop(0), "page": {"total": 1}})
    assert isinstance(ca.find(ASKED, START), Absence)
    assert len(door.asked) == 2


def test_pages_smaller_than_asked_for_are_followed_to_the_total():
    ids = iter(range(1, 6))
    ca, door = scripted(
        lambda *_: {"orders": [{"id": next(ids), "custom_fields": [{"value": "chancery:x"}]}], "page": {"total": 5}}
    )
    assert "5 orders" in ca.find(ASKED, START).evidence
    assert len(door.asked) == 5


def board_of(answer, many=25):
    ca, door = scripted(answer)
    board = Board(ca._client, door.clock)
    for number in range(many):
        board.unchanged(str(number), "pending", door.clock.now() - timedelta(hours=1))
    door.asked.clear()
    return board, door


def test_a_change_is_seen_and_what_did_not_change_is_not_looked_at():
    board, door = board_of(lambda *_: {"orders": [{"order_id": "3", "status": "issued"}]})
    looked = door.clock.now()
    assert board.unchanged("4", "pending", looked) is True
    assert board.unchanged("3", "pending", looked) is False
    assert board.unchanged("3", "issued", looked) is True
    assert len(door.asked) == 1
    door.clock.advance(timedelta(minutes=2))
    board.unchanged("4", "pending", looked)
    assert len(door.asked) == 2


def test_few_orders_are_looked_at_one_by_one_and_each_now_and_then():
    board, door = board_of(lambda *_: {}, many=5)
    assert board.unchanged("1", "pending", door.clock.now()) is False
    assert door.asked == []
    board, door = board_of(lambda *_: {})
    assert board.unchanged("1", "pending", door.clock.now() - timedelta(minutes=31)) is False


@pytest.mark.parametrize(
    "answer", [(404, {"errors": [{"code": "not_found"}]}), (400, {}), {"id": 7, "status": "pending"}, b"[]"]
)
def test_an_account_without_the_list_is_not_asked_for_it_again_for_an_hour(answer):
    board, door = board_of(lambda *_: answer)
    for _ in range(3):
        assert board.unchanged("1", "pending", door.clock.now()) is False
    assert len(door.asked) == 1
    for _ in range(7):
        door.clock.advance(timedelta(minutes=9))
        for number in range(25):
            board.unchanged(str(number), "pending", door.clock.now())
    assert len(door.asked) == 2


def test_that_the_ca_is_away_is_not_hidden_by_the_list():
    board, door = board_of(lambda *_: (503, b""))
    with pytest.raises(Unreachable):
        board.unchanged("1", "pending", door.clock.now())


def test_choices_and_rejections_of_odd_rows():
    ca, _ = scripted(lambda *_: {"products": [None, {"name_id": None}, {"name_id": "ssl_basic"}, 7]})
    assert [(c.value, c.label) for c in ca.choices("product")] == [("ssl_basic", "ssl_basic")]
    ca, _ = scripted(lambda *_: {"id": 7, "status": "rejected", "requests": {"processor_comment": "no budget"}})
    with pytest.raises(RejectedByPolicy, match="no budget"):
        look(ca)
