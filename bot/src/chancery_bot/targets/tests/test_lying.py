"""Keystores and PEM files that lie on a host: each is found once, with the settings that a target for it would have."""

import grp
import ipaddress
import os
import pwd
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from importlib import resources
from types import SimpleNamespace
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from chancery_bot import kinds
from chancery_bot.errors import Refused
from chancery_bot.local import ROOTS, Local
from chancery_bot.targets import lying as folders
from chancery_bot.targets import tomcat
from chancery_bot.targets.haproxy import target as haproxy
from chancery_bot.targets.jks import format as jks
from chancery_bot.testing import pair

PASSWORD = "correct horse"
NOW = datetime(2026, 11, 25, tzinfo=UTC)
SERVER = """<?xml version="1.0"?>
<Server port="8005"><Service name="Catalina">
  <Connector port="8080" protocol="HTTP/1.1" redirectPort="8443" />
  <!-- <Connector port="1" SSLEnabled="true"><SSLHostConfig>
    <Certificate certificateKeystoreFile="conf/commented.jks" /></SSLHostConfig></Connector> -->
  <Connector port='8443' address="192.0.2.10" SSLEnabled='true'>
    <SSLHostConfig hostName="a"><Certificate certificateKeystoreFile="conf/a&amp;b.jks" certificateKeyAlias="Shop"
      certificateKeystorePassword="x" type="RSA" /></SSLHostConfig>
    <SSLHostConfig><Certificate certificateFile="conf/c.pem" /></SSLHostConfig>
  </Connector>
  <Connector port="9443" SSLEnabled="true" keystoreFile="{folder}/old.p12" keystoreType="PKCS12" />
  <Connector port="9444" SSLEnabled="true" keystoreFile="{folder}/old.p12" keyAlias="second" />
  <Connector port="9445" SSLEnabled="false" keystoreFile="{folder}/off.jks" />
  <Connector port="${{port}}" SSLEnabled="true" keystoreFile="/variable.jks" />
</Service></Server>
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return a folder that this host's administrator allows; there is no nginx, Apache, HAProxy or Tomcat."""
    for module in ("apache", "haproxy"):
        monkeypatch.setattr(f"chancery_bot.targets.{module}.target.find", lambda _: ())
    monkeypatch.setattr(tomcat, "BASES", {})
    found = tmp_path / "tls"
    found.mkdir()
    return found


def found(place, **more):
    return list(kinds.scan(Local(roots=(place,), programs={}, **more)))


def put(path, content, mode=0o600):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def store(given, alias="Shop"):
    key = load_pem_private_key(given[1], None).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    chain = [c.public_bytes(Encoding.DER) for c in x509.load_pem_x509_certificates(given[0])]
    return jks.write(alias, key, chain, PASSWORD, NOW)


def pfx(given, alias=b"Shop"):
    leaf, *_ = x509.load_pem_x509_certificates(given[0])
    sealed = BestAvailableEncryption(PASSWORD.encode())
    return pkcs12.serialize_key_and_certificates(alias, load_pem_private_key(given[1], None), leaf, None, sealed)


def leaf(given):
    return x509.load_pem_x509_certificates(given[0])[0].public_bytes(Encoding.PEM)


def test_a_jks_keystore_says_alias_and_names_without_its_password(place):
    path = put(place / "shop.keystore", store(pair("shop.example.com")), 0o640)
    (one,) = found(place)
    assert (one.kind, one.names, one.title) == ("jks", ["shop.example.com"], "shop.keystore, shop.example.com")
    owner = f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"
    assert one.settings == {
        "file": path,
        "password_file": f"{path}.password",
        "alias": "shop",
        "owner": owner,
        "key_mode": "0640",
    }


def test_a_pkcs12_keystore_is_opened_where_its_password_lies_beside_it(place):
    path = put(place / "shop.p12", pfx(pair("shop.example.com")))
    (one,) = found(place)
    assert (one.kind, one.names, one.title) == ("pkcs12", [], f"shop.p12 in {place}")
    assert "alias" not in one.settings
    put(place / "shop.p12.password", PASSWORD.encode() + b"\r\n")
    (one,) = found(place)
    assert (one.names, one.settings["alias"], one.settings["file"]) == (["shop.example.com"], "shop", path)
    assert PASSWORD not in one.model_dump_json()


@pytest.mark.skipif(shutil.which("keytool") is None, reason="no keytool here")
@pytest.mark.parametrize("kind", ["JKS", pytest.param("PKCS12", marks=pytest.mark.long)])
def test_what_keytool_made_is_found_but_not_what_holds_no_key(place, kind):
    path = place / "store"
    put(place / "store.password", PASSWORD.encode())
    common = ["-keystore", str(path), "-storepass", PASSWORD, "-storetype", kind, "-alias", "web"]
    made = ["keytool", "-genkeypair", *common, "-keypass", PASSWORD, "-keyalg", "EC", "-dname", "CN=a", "-ext"]
    subprocess.run([*made, "san=dns:shop.example.com"], check=True, capture_output=True)
    (one,) = found(place)
    assert (one.kind, one.settings["alias"], one.names) == (kind.lower(), "web", ["shop.example.com"])
    path.unlink()
    put(place / "ca.crt", pair()[0])
    trust = ["keytool", "-importcert", "-noprompt", *common, "-file", str(place / "ca.crt")]
    subprocess.run(trust, check=True, capture_output=True)
    assert found(place) == []


def test_a_key_and_its_certificate_are_found_wherever_each_of_them_lies(place):
    given = pair("shop.example.com")
    key = put(place / "private" / "a.key", given[1], 0o640)
    certificate = put(place / "certs" / "z.pem", leaf(given))
    put(place / "certs" / "other.pem", pair("other.example.com")[0])
    (one,) = found(place)
    assert (one.kind, one.title) == ("pem", f"shop.example.com in {place / 'private'}")
    assert {n: one.settings[n] for n in one.settings if n != "owner"} == {
        "key": key,
        "certificate": certificate,
        "key_mode": "0640",
    }


def test_all_files_that_would_have_to_change_are_named_by_their_links(place):
    """As certbot lays them: what is live are links to what is numbered."""
    given = pair("shop.example.com")
    put(place / "archive" / "privkey0.pem", pair()[1])
    contents = {"fullchain": given[0], "cert": leaf(given), "privkey": given[1], "chain": given[0][len(leaf(given)) :]}
    for name, content in contents.items():
        put(place / "archive" / f"{name}1.pem", content)
        link = place / "live" / f"{name}.pem"
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(f"../archive/{name}1.pem")
    (one,) = found(place)
    live = place / "live"
    assert {n: v for n, v in one.settings.items() if str(v).startswith("/")} == {
        "full_chain": str(live / "fullchain.pem"),
        "certificate": str(live / "cert.pem"),
        "chain": str(live / "chain.pem"),
        "key": str(live / "privkey.pem"),
    }


def test_one_file_that_holds_both_with_parameters_before_the_key(place):
    given = pair("shop.example.com")
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    path = put(place / "both.pem", given[0] + parameters + given[1])
    (one,) = found(place)
    assert {n: v for n, v in one.settings.items() if str(v).startswith("/")} == {"combined": path}


def test_what_could_not_be_a_target_is_not_offered(place):
    given = pair()
    key = load_pem_private_key(given[1], None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    put(place / "locked.pem", given[0] + locked)
    put(place / "lonely.key", pair()[1])
    put(
        place / "broken.pem",
        b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n-----BEGIN X PRIVATE KEY-----",
    )
    put(place / "headless.pem", b"PRIVATE KEY-----")
    put(place / "broken.jks", bytes.fromhex("feedfeed00000002000000ff") + b"\0" * 40)
    put(place / "short.jks", bytes.fromhex("feedfeed"))
    put(place / "key.der", key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    put(place / "empty", b"")
    (place / "nowhere").symlink_to(place / "none")
    os.mkfifo(place / "pipe")
    assert found(place) == []


def certified(given, *, days=30, **extensions):
    """Return a certificate of its own for a key, with these extensions: PEM."""
    key = load_pem_private_key(given[1], None)
    name, now = x509.Name([]), datetime.now(UTC)
    dates = now - timedelta(days=400), now + timedelta(days=days)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), *dates)
    for extension in extensions.values():
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    "how",
    [
        {"authority": x509.BasicConstraints(ca=True, path_length=None)},
        {"client": x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH])},
        {"days": -1},
        {"broken": x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x07\x87\x05abcde")},
    ],
    ids=lambda how: next(iter(how)),
)
def test_what_is_no_server_s_certificate_is_left_alone(place, how):
    given = pair()
    put(place / "a.pem", certified(given, **how) + given[1])
    assert found(place) == []
    put(place / "b.pem", certified(other := pair(), usage=x509.BasicConstraints(ca=False, path_length=None)) + other[1])
    assert len(found(place)) == 1


def test_what_a_target_would_change_by_halves_is_not_offered(place):
    given = pair()
    put(place / "a.key", given[1])
    put(place / "a.crt", given[0])
    assert len(found(place)) == 1
    put(place / "a-2023.crt", certified(given, days=-100))
    (one,) = found(place)
    assert one.settings["full_chain"] == str(place / "a.crt")
    for name, content in (("copy.crt", given[0]), ("other.crt", certified(given)), ("copy.key", given[1])):
        more = put(place / name, content)
        assert found(place) == [], name
        os.unlink(more)


def test_a_chain_that_others_may_use_is_not_named(place):
    given = pair()
    put(place / "a.key", given[1])
    put(place / "a.crt", leaf(given))
    put(place / "ca-chain.pem", given[0][len(leaf(given)) :])
    assert found(place)[0].settings["chain"] == str(place / "ca-chain.pem")
    put(place / "b.crt", pair()[0])
    assert "chain" not in found(place)[0].settings


def test_links_lead_nowhere_else(place, tmp_path):
    given = pair()
    put(tmp_path / "secret.pem", given[0] + given[1])
    (place / "a.pem").symlink_to(tmp_path / "secret.pem")
    (place / "b.pem").symlink_to("/proc/kmsg")
    assert found(place) == []
    put(place / "www.pem", given[0] + given[1])
    (place / "also.pem").symlink_to("www.pem")
    (one,) = found(place)
    assert one.settings["combined"] == str(place / "www.pem")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a link to somebody else")
def test_a_link_of_somebody_else_is_not_followed(place):
    given = pair()
    put(place / ".chancery" / "key.pem", given[0] + given[1])
    (place / "www.pem").symlink_to(".chancery/key.pem")
    assert len(found(place)) == 1
    os.lchown(place / "www.pem", 65534, 65534)
    assert found(place) == []


def test_a_password_that_others_may_have_written_is_not_tried(place):
    put(place / "shop.p12", pfx(pair("shop.example.com")))
    beside = put(place / "shop.p12.password", PASSWORD.encode())
    assert found(place)[0].names == ["shop.example.com"]
    os.chmod(beside, 0o666)
    assert found(place)[0].names == []


@pytest.mark.parametrize("password", [b"a\0b", b"\xff\xfe", b""])
def test_what_is_no_password_is_not_tried(place, password):
    """OpenSSL's wrapper ends the process over a NUL."""
    put(place / "shop.p12", pfx(pair("shop.example.com")))
    put(place / "shop.p12.password", password)
    assert found(place)[0].names == []
    given = {"file": str(place / "shop.p12"), "password_file": str(place / "shop.p12.password")}
    with pytest.raises(Refused, match="holds no password"):
        kinds.build("pkcs12", uuid4(), given, Local(roots=(place,))).password()


def test_an_odd_certificate_does_not_hide_what_comes_after_it(place):
    whole = store(pair("shop.example.com"))
    odd = jks.write("a", b"key", [b"\x30\x03\x02\x01\x08"], PASSWORD, NOW)
    put(place / "a.jks", odd)
    put(place / "b.jks", whole)
    assert [one.names for one in found(place)] == [["shop.example.com"]]


def test_names_that_no_form_could_show_are_left_out(place):
    names = x509.SubjectAlternativeName(
        [x509.DNSName("a\0b.example.com"), x509.IPAddress(ipaddress.ip_address("192.0.2.1")), x509.RFC822Name("a@b.c")]
    )
    given = pair()
    put(place / "a.pem", certified(given, names=names) + given[1])
    put(place / "b\nc.jks", store(pair()))
    (one,) = found(place)
    assert one.names == ["192.0.2.1"]


def test_what_two_programs_serve_is_offered_by_both(place, tmp_path, monkeypatch):
    path = put(place / "site.pem", b"".join(pair()))
    text = f"frontend a\n bind :443 ssl crt {path}\n"
    monkeypatch.setattr("chancery_bot.targets.haproxy.target.find", lambda _: haproxy.binds(text))
    script = tmp_path / "nginx"
    served = f"ssl_certificate {path}; ssl_certificate_key {path};"
    script.write_text(f"#!/bin/sh\necho 'server {{ listen 8443 ssl; {served} }}'\n")
    script.chmod(0o755)
    offered = kinds.scan(Local(roots=(place,), programs={"nginx": str(script)}))
    assert [one.kind for one in offered] == ["nginx", "haproxy"]


def test_the_service_may_write_where_roots_are():
    unit = resources.files("chancery_bot").joinpath("chancery-bot.service").read_text()
    (line,) = [line for line in unit.splitlines() if line.startswith("ReadWritePaths=")]
    allowed = line.partition("=")[2].replace("-/", "/").split()
    assert [root for root in ROOTS if root.startswith("/etc/") and root not in allowed] == []


def test_hidden_folders_hashed_links_large_files_and_what_lies_too_deep_are_not_read(place, monkeypatch):
    given = pair()
    both = given[0] + given[1]
    put(place / ".chancery" / "x.pem", both)
    put(place / "12abcdef.0", both)
    put(place.joinpath(*"abcdefghi") / "x.pem", both)
    put(place / "large.pem", both + b"\n" * 1_000_000)
    assert found(place) == []
    put(place / "x.pem", both)
    assert len(found(place)) == 1
    monkeypatch.setattr(folders, "_MOST_FILES", 0)
    assert found(place) == []


def test_what_a_program_serves_is_offered_by_it_alone(place, tmp_path):
    given, other = pair("shop.example.com"), pair("other.example.com")
    certificate, key = put(place / "shop.crt", given[0]), put(place / "shop.key", given[1])
    put(place / "other.pem", other[0] + other[1])
    script = tmp_path / "nginx"
    script.write_text(
        "#!/bin/sh\n"
        f"echo 'server {{ listen 443 ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; }}'\n"
        f"echo 'server {{ listen 444 ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; }}'\n"
    )
    script.chmod(0o755)
    offered = list(kinds.scan(Local(roots=(place,), programs={"nginx": str(script)})))
    assert [(one.kind, one.names) for one in offered] == [
        ("nginx", []),
        ("nginx", []),
        ("pem", ["other.example.com"]),
    ]


def test_a_tomcat_s_keystores_have_its_port_and_its_service(place, tmp_path, monkeypatch):
    base = tmp_path / "base"
    put(base / "conf" / "server.xml", SERVER.format(folder=place).encode())
    path = put(base / "conf" / "a&b.jks", store(pair("shop.example.com"), alias="first"))
    old = put(place / "old.p12", pfx(pair()))
    monkeypatch.setattr(tomcat, "BASES", {"tomcat10": base, "tomcat9": tmp_path / "none"})
    found_ones = {one.kind: one for one in found(place)}
    assert set(found_ones) == {"jks", "pkcs12"}
    shop, other = found_ones["jks"], found_ones["pkcs12"]
    assert (shop.title, shop.names) == ("Tomcat, port 8443", ["shop.example.com"])
    assert {n: shop.settings[n] for n in ("file", "alias", "service", "probe_host", "probe_port")} == {
        "file": path,
        "alias": "shop",
        "service": "tomcat10",
        "probe_host": "192.0.2.10",
        "probe_port": 8443,
    }
    assert (other.settings["file"], other.settings["probe_port"], other.settings["service"]) == (old, 9443, "tomcat10")
    assert "alias" not in other.settings


def test_a_search_that_fails_does_not_keep_the_others_from_finding(place, monkeypatch):
    put(place / "shop.jks", store(pair()))
    monkeypatch.setattr("chancery_bot.targets.pem.target.together", lambda *_: 1 / 0)
    missed = []
    offered = list(kinds.scan(Local(roots=(place,), programs={}), lambda kind, error: missed.append((kind, error))))
    assert [one.kind for one in offered] == ["jks"]
    assert [kind for kind, _ in missed] == ["pem"]
    with pytest.raises(ZeroDivisionError):
        found(place)


@pytest.mark.parametrize("ident", ["uid", "gid"])
def test_an_owner_that_a_target_cannot_have_is_left_out(place, monkeypatch, ident):
    put(place / "shop.jks", store(pair(), alias="with a blank"), 0o640)
    what, name = {"uid": ("pwd.getpwuid", "pw_name"), "gid": ("grp.getgrgid", "gr_name")}[ident]
    for told in (lambda _: {}["x"], lambda _: SimpleNamespace(**{name: "svc.tomcat"})):
        monkeypatch.setattr(what, told)
        (one,) = found(place)
        assert ("owner" in one.settings, "alias" in one.settings, one.settings["key_mode"]) == (False, False, "0640")
