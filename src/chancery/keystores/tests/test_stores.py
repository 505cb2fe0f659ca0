"""Every store wraps and unwraps the same way, and says what is wrong in a sentence with a remedy."""

import base64
import os
from importlib import import_module

import pytest

from chancery.core.errors import Unavailable
from chancery.keystores import held, hsm, kms, opening
from chancery.keystores import vault as client
from chancery.settings import environment

KEY, BOUND = bytes(range(32)), b"chancery-sealing-key\x1fabc"
KINDS = ["file", "env", "credential", "vault", "aws", "hsm"]


@pytest.fixture(params=KINDS)
def address(request, tmp_path, monkeypatch):
    """The address of each kind of store, with a key in it."""
    raw = os.urandom(32)
    if request.param == "file":
        (tmp_path / "a kek").write_bytes(raw)
        return (tmp_path / "a kek").as_uri()
    if request.param == "env":
        monkeypatch.setenv("MY_KEK", base64.b64encode(raw).decode() + "\n")
        return "env:MY_KEK"
    if request.param == "credential":
        (tmp_path / "kek").write_bytes(raw)
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        return "credential:kek"
    return request.getfixturevalue(f"{request.param}_address")


def refused(doing, *words):
    with pytest.raises(Unavailable) as caught:
        doing()
    assert caught.value.remedy
    for word in words:
        assert word in str(caught.value)
    return caught.value


def test_a_key_comes_back_and_for_what_it_was_bound_to_alone(address):
    opening.check(address)
    store = opening.opened(address)
    wrapped = store.wrap(KEY, BOUND)
    assert KEY not in base64.b64decode(wrapped.rpartition(":")[2])
    assert store.wrap(KEY, BOUND) != wrapped
    assert opening.opened(address).unwrap(wrapped, BOUND) == KEY
    assert store.ident
    refused(lambda: store.unwrap(wrapped, BOUND + b"x"))
    refused(lambda: store.unwrap("AAAA", BOUND))
    refused(lambda: store.unwrap("no base64!", BOUND))


def test_another_key_of_the_same_kind_does_not_open_it(tmp_path):
    (tmp_path / "one").write_bytes(b"1" * 32)
    (tmp_path / "two").write_bytes(b"2" * 32)
    one, two = (held.from_file(tmp_path / name) for name in ("one", "two"))
    assert one.kid != two.kid
    refused(lambda: two.unwrap(one.wrap(KEY, BOUND), BOUND), "two")


# Those that hold their key


def test_a_file_that_is_no_key(tmp_path):
    refused(lambda: held.from_file(tmp_path / "absent"), "No such file")
    (tmp_path / "short").write_bytes(b"short")
    refused(lambda: held.from_file(tmp_path / "short"), "5 bytes instead of 32")


@pytest.mark.parametrize(
    ("value", "word"), [("", "not set"), ("AAAA", "32 bytes"), ("!" * 44, "32 bytes")]
)  # fmt: skip
def test_a_variable_that_is_no_key(monkeypatch, value, word):
    monkeypatch.setenv("MY_KEK", value)
    said = refused(lambda: held.from_environment("MY_KEK"), word, "MY_KEK")
    assert not value or value not in f"{said} {said.remedy}"


def test_a_credential_that_is_no_key(tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert "LoadCredentialEncrypted=kek" in refused(lambda: held.from_credential("kek"), "no credentials").remedy
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    refused(lambda: held.from_credential("kek"), "No such file")
    for odd in (b"short", b"\xff" * 31, b"!" * 44):
        (tmp_path / "kek").write_bytes(odd)
        refused(lambda: held.from_credential("kek"), "32 bytes")
    (tmp_path / "kek").write_bytes(base64.b64encode(KEY) + b"\n")
    assert held.from_credential("kek").key == KEY


# Vault


def test_vault_says_what_it_was_asked_and_what_it_answered(vault_address, vault, monkeypatch):
    store = opening.opened(vault_address)
    wrapped = store.wrap(KEY, BOUND)
    assert vault.vault.requests[-1] == ("POST", "transit/encrypt/chancery")
    vault.vault.make_key("transit", "chancery")
    assert store.unwrap(wrapped, BOUND) == KEY, "its own rotation keeps older versions"
    assert store.wrap(KEY, BOUND).startswith("vault:v2:")
    monkeypatch.setenv("VAULT_TOKEN", "wrong")
    assert "tokens expire" in refused(lambda: store.wrap(KEY, BOUND), "403", "permission denied").remedy
    monkeypatch.setenv("VAULT_TOKEN", "")
    refused(lambda: store.wrap(KEY, BOUND), "no token in VAULT_TOKEN")
    monkeypatch.setenv("VAULT_TOKEN", "s.token")
    vault.vault.sealed = True
    assert refused(lambda: store.wrap(KEY, BOUND), "503", "sealed").remedy == "Unseal it."
    vault.vault.sealed = False
    other = opening.opened(vault_address.replace("/chancery", "/absent"))
    refused(lambda: other.wrap(KEY, BOUND), "400", "encryption key not found")
    gone = opening.opened("vault+http://127.0.0.1:9/transit/chancery")
    refused(lambda: gone.wrap(KEY, BOUND), "127.0.0.1:9")


def test_a_token_file_and_a_namespace(vault_address, vault, monkeypatch, tmp_path):
    monkeypatch.delenv("VAULT_TOKEN")
    store = opening.opened(f"{vault_address}?token_file={tmp_path / 'token'}&namespace=team")
    refused(lambda: store.wrap(KEY, BOUND), str(tmp_path / "token"))
    (tmp_path / "token").write_text("s.token\n")
    refused(lambda: store.wrap(KEY, BOUND), "permission denied")
    monkeypatch.setattr(vault.vault, "namespace", "team")
    assert store.unwrap(store.wrap(KEY, BOUND), BOUND) == KEY


def test_plain_http_goes_to_this_machine_alone(vault_address):
    store = opening.opened("vault+http://vault.example/transit/chancery")
    refused(lambda: store.wrap(KEY, BOUND), "only https")


def test_a_server_that_is_no_vault(vault_address, monkeypatch):
    store = opening.opened(vault_address)
    monkeypatch.setattr(store._server, "post", lambda *_: {"plaintext": "no base64!"})
    refused(lambda: store.unwrap("vault:v1:x", BOUND), "no base64")
    from chancery.keystores.simulator.vault import Vault

    monkeypatch.undo()
    monkeypatch.setenv("VAULT_TOKEN", "s.token")
    monkeypatch.setattr(Vault, "answer", lambda *_: ["odd"])
    refused(lambda: opening.opened(vault_address).wrap(KEY, BOUND), "it answers 200")


def test_a_secret_of_the_kv_engine(vault_address, vault, monkeypatch, tmp_path):
    vault.vault.secrets["secret", "ca/digicert"] = {"api_key": "k3y", "number": 7}
    server = client.Server(vault.url, {})
    assert client.read_secret(server, "secret", "ca/digicert", "api_key").reveal() == "k3y"
    for path, field in (("ca/digicert", "other"), ("ca/digicert", "number"), ("ca/absent", "api_key")):
        refused(lambda p=path, f=field: client.read_secret(server, "secret", p, f))
    (tmp_path / "ca.pem").write_text("no certificate")
    nowhere = client.Server("https://127.0.0.1:9", {"ca_file": str(tmp_path / "absent")})
    refused(lambda: client.read_secret(nowhere, "secret", "a", "b"), "absent cannot be read")
    trusting = client.Server("https://127.0.0.1:9", {"ca_file": str(tmp_path / "ca.pem")})
    refused(lambda: client.read_secret(trusting, "secret", "a", "b"))


def test_the_simulator_speaks_as_the_documents_say(vault, vault_address):
    import json
    import urllib.error
    import urllib.request

    def ask(path, body=None, raw=None, method=None):
        data = raw if raw is not None else json.dumps(body).encode() if body is not None else None
        asked = urllib.request.Request(f"{vault.url}/v1/{path}", data, {"X-Vault-Token": "s.token"}, method=method)
        try:
            with urllib.request.urlopen(asked) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    plain = base64.b64encode(b"text").decode()
    status, made = ask("transit/encrypt/chancery", {"plaintext": plain})
    assert (status, made["data"]["ciphertext"][:7]) == (200, "vault:v")
    assert ask("transit/decrypt/chancery", made["data"])[1] == {"data": {"plaintext": plain}}
    assert ask("transit/encrypt/chancery", {"plaintext": "!"}) == (
        400,
        {"errors": ["failed to base64-decode plaintext"]},
    )
    assert ask("transit/decrypt/chancery", {"ciphertext": "x"}) == (400, {"errors": ["invalid ciphertext: no prefix"]})
    assert ask("transit/encrypt/chancery", raw=b"{")[0] == 400
    assert ask("secret/data/absent") == (404, {"errors": []})


# AWS, HSM, libraries that are not installed


def test_kms_says_what_it_was_refused(aws_address):
    store = opening.opened(aws_address.replace("alias/chancery", "alias/absent"))
    assert "kms:Decrypt" in refused(lambda: store.wrap(KEY, BOUND), "absent", "NotFound").remedy


def test_an_hsm_says_what_it_was_refused(hsm_address, tmp_path):
    odd = tmp_path / "pin"
    odd.write_text("0000")
    pin = hsm_address.partition("pin-source=")[2]
    for address, word in (
        (hsm_address.replace("object=kek", "object=absent"), "NoSuchKey"),
        (hsm_address.replace("token=chancery", "token=absent"), "NoSuchToken"),
        (hsm_address.replace(pin, str(odd)), "PinIncorrect"),
        (hsm_address.replace(pin, "/absent"), "cannot be read"),
        (hsm_address.replace("softhsm2.so", "absent.so"), "absent"),
    ):
        refused(lambda a=address: opening.opened(a).wrap(KEY, BOUND), word)


def test_a_library_that_is_not_installed_is_named(monkeypatch, aws_address, hsm_address):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(hsm, "import_module", missing)
    assert refused(lambda: opening.opened(hsm_address).wrap(KEY, BOUND)).remedy == "Install chancery[hsm]."
    monkeypatch.setattr(kms.objects, "import_module", missing)
    assert refused(lambda: opening.opened(aws_address).wrap(KEY, BOUND)).remedy == "Install chancery[aws]."
    assert import_module("boto3")


# How they are written


GOOD = [
    "file:///etc/chancery/kek", "env:MY_KEK", "credential:kek", "vault+https://vault.example:8200/transit/chancery",
    "vault+https://vault.example/a/b/transit/chancery?namespace=x", "awskms:alias/chancery?region=eu-central-1",
    "awskms:arn:aws:kms:eu-central-1:1234:key/ab-cd", "pkcs11:token=a%20b;object=kek?module-path=/x.so&pin-source=/pin",
]  # fmt: skip
BAD = [
    "", "kek", "/etc/kek", "file:relative", "file://host/kek", "env:", "env:A B", "credential:", "credential:a/b",
    "credential:..", "vault+https://vault.example/transit", "vault+https://u:p@vault.example/transit/k", "awskms:",
    "pkcs11:token=a?module-path=/x&pin-source=/p", "pkcs11:token=a;object=b?module-path=/x",
    "pkcs11:token=a;object=b?module-path=/x&pin-source=/p&pin-value=1234", "http://x/y/z",
]  # fmt: skip


def test_addresses_as_they_are_written():
    assert environment.stores("X", " ".join(GOOD)) == tuple(GOOD)
    assert environment.stores("X", "") == ()
    assert opening.kms_key(GOOD[6]) == "arn:aws:kms:eu-central-1:1234:key/ab-cd"
    assert opening.opened(GOOD[7]).ident == "pkcs11 token a b, key kek"
    assert opening.opened(GOOD[4]).ident == "https://vault.example/a/b/transit/chancery"
    assert opening.opened(GOOD[6]).ident == "awskms arn:aws:kms:eu-central-1:1234:key/ab-cd"


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_key_store_stops_the_start_without_being_repeated(text):
    with pytest.raises(ValueError, match="written|no kind"):
        opening.check(text)
    if text.split() == [text]:
        with pytest.raises(SystemExit, match="CHANCERY_KEK") as refusal:
            environment.stores("CHANCERY_KEK", text)
        assert "1234" not in str(refusal.value)
        assert "u:p" not in str(refusal.value)


def test_one_store_wraps():
    with pytest.raises(SystemExit, match="at most 1"):
        environment.stores("CHANCERY_KEK", "env:A env:B", most=1)
