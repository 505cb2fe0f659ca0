"""Keystores and PEM files that lie on a host: each is found once, with the settings that a target for it would have."""

import os
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from chancery_bot import kinds
from chancery_bot.local import Local
from chancery_bot.targets import lying as folders
from chancery_bot.targets import tomcat
from chancery_bot.targets.jks import format as jks
from chancery_bot.testing import pair

PASSWORD = "correct horse"
NOW = datetime(2026, 11, 25, tzinfo=UTC)
SERVER = """<?xml version="1.0"?>
<Server port="8005"><Service name="Catalina">
  <Connector port="8080" protocol="HTTP/1.1" redirectPort="8443" />
  <!-- <Connector port="1" SSLEnabled="true"><SSLHostConfig>
    <Certificate certificateKeystoreFile="conf/commented.jks" /></SSLHostConfig></Connector> -->
  <Connector port='8443' SSLEnabled='true'>
    <SSLHostConfig hostName="a"><Certificate certificateKeystoreFile="conf/a&amp;b.jks" certificateKeyAlias="Shop"
      certificateKeystorePassword="x" type="RSA" /></SSLHostConfig>
    <SSLHostConfig><Certificate certificateFile="conf/c.pem" /></SSLHostConfig>
  </Connector>
  <Connector port="9443" SSLEnabled="true" keystoreFile="{folder}/old.p12" keystoreType="PKCS12" />
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
    assert one.settings == {
        "file": path,
        "password_file": f"{path}.password",
        "alias": "shop",
        "owner": "root:root" if os.getuid() == 0 else one.settings["owner"],
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
@pytest.mark.parametrize("kind", ["JKS", "PKCS12"])
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


def test_a_certificate_authority_s_own_key_is_left_alone(place):
    key = load_pem_private_key(pair()[1], None)
    name = x509.Name([])
    from cryptography.hazmat.primitives import hashes

    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW.replace(year=2036))
    made = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    root = made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    put(place / "ca.pem", root + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert found(place) == []


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
    assert {n: shop.settings[n] for n in ("file", "alias", "service", "probe_port")} == {
        "file": path,
        "alias": "shop",
        "service": "tomcat10",
        "probe_port": 8443,
    }
    assert (other.settings["file"], other.settings["probe_port"], other.settings["service"]) == (old, 9443, "tomcat10")
    assert "alias" not in other.settings


def test_a_search_that_fails_does_not_keep_the_others_from_finding(place, monkeypatch):
    put(place / "shop.jks", store(pair()))
    monkeypatch.setattr("chancery_bot.targets.pem.target.together", lambda _: 1 / 0)
    missed = []
    offered = list(kinds.scan(Local(roots=(place,), programs={}), lambda kind, error: missed.append((kind, error))))
    assert [one.kind for one in offered] == ["jks"]
    assert [kind for kind, _ in missed] == ["pem"]
    with pytest.raises(ZeroDivisionError):
        found(place)


@pytest.mark.parametrize("ident", ["uid", "gid"])
def test_an_owner_without_a_name_is_left_to_whoever_makes_the_target(place, monkeypatch, ident):
    put(place / "shop.jks", store(pair()))
    what = {"uid": "pwd.getpwuid", "gid": "grp.getgrgid"}[ident]
    monkeypatch.setattr(what, lambda _: {}["x"])
    (one,) = found(place)
    assert "owner" not in one.settings
