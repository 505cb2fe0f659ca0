"""What a host's own administrator decides, what the bot remembers, and what it finds."""

import json
import os
import signal
import stat
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from chancery_bot import kinds, local, material, posix, state, web
from chancery_bot.errors import Away, Refused
from chancery_bot.local import Local
from chancery_bot.state import Identity, State
from chancery_bot.testing import pair, program
from chancery_bot.wire import Record

NOW = datetime.now(UTC)


def record(**more):
    return Record(number=1, at=NOW, **more)


def test_without_a_file_the_usual_folders_are_allowed(tmp_path):
    assert local.load(tmp_path / "none") == Local()
    (tmp_path / "c.toml").write_text(
        'roots = ["/srv/tls"]\nservices = ["shop"]\nhooks = "/srv/hooks"\n[programs]\nnginx = "/opt/nginx"\n'
        '[clusters.main]\nurl = "https://k8s"\n'
    )
    found = local.load(tmp_path / "c.toml")
    assert found.path("/srv/tls/a.pem", "x").name == "a.pem"
    assert (found.service("shop"), found.cluster("main"), found.programs["haproxy"]) == (
        "shop",
        {"url": "https://k8s"},
        "/usr/sbin/haproxy",
    )
    for text in ("odd = 1", "roots = ["):
        (tmp_path / "c.toml").write_text(text)
        with pytest.raises(Refused, match="c.toml"):
            local.load(tmp_path / "c.toml")


def test_a_program_that_others_may_change_is_not_run(tmp_path):
    path = program(tmp_path)
    found = Local(programs={"nginx": path})
    assert found.program("nginx") == path
    os.chmod(path, 0o777)
    for name in ("nginx", "other"):
        with pytest.raises(Refused):
            found.program(name)


def test_records_are_numbered_on_after_the_server_has_them(tmp_path):
    made = State(tmp_path)
    assert [made.tell(record()).number for _ in range(3)] == [1, 2, 3]
    made.told(2)
    assert [r.number for r in made.untold(9)] == [3]
    again = State(tmp_path)
    assert again.tell(record()).number == 4
    again.told(4)
    assert (again.untold(9), State(tmp_path).tell(record()).number) == ([], 5)
    again.told(50)
    assert State(tmp_path).tell(record()).number == 51


def test_while_the_server_is_away_lines_go_and_outcomes_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(posix, "sync", lambda _handle: None)
    monkeypatch.setattr(state, "_MOST_SPOOLED", 10)
    monkeypatch.setattr(state, "_BOUND_EVERY", 5)
    made = State(tmp_path)
    made.tell(record(kind="outcome", outcome="failed"))
    for _ in range(29):
        made.tell(record())
    left = [r.number for r in made.untold(99)]
    assert left[0] == 1
    assert left[1:] == list(range(31 - len(left) + 1, 31))
    assert len(left) <= 15


def test_a_key_that_a_kill_left_beside_its_place_is_removed(tmp_path):
    made, number = State(tmp_path), uuid4()
    child = os.fork()
    if not child:  # pragma: no cover  it is killed
        posix.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        made.keep_key(number, b"secret")
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert [p.read_bytes() for p in (tmp_path / "keys").iterdir()] == [b"secret"]
    # The home may be somebody's own: what is not the bot's stays, whatever it is.
    (tmp_path / ".profile").touch()
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".odd.chancery-new").mkdir()
    made.tidy()
    assert list((tmp_path / "keys").iterdir()) == []
    assert {p.name for p in tmp_path.glob(".*")} == {".profile", ".cache", ".odd.chancery-new"}
    with pytest.raises(Refused):
        made.key(number)
    kept = made.keep_key(number, b"another")
    made.tidy()
    assert made.key(number) == kept


def test_the_home_and_its_keys_are_the_bots_alone(tmp_path):
    made = State(tmp_path / "home")
    with pytest.raises(Refused, match="not enrolled"):
        made.identity()
    with pytest.raises(Refused, match="cannot be read"):
        made.own_key()
    made.own_key(make=True)
    made.enrolled(Identity("https://c", "1", "web"))
    made.follow("https://d")
    assert State(tmp_path / "home").identity() == Identity("https://d", "1", "web")
    deployment = uuid4()
    first = made.keep_key(deployment, b"one")
    assert made.keep_key(deployment, b"two") == first == made.key(deployment)
    with pytest.raises(Refused, match="no key"):
        made.key(uuid4())
    target, made_for = uuid4(), [uuid4() for _ in range(10)]
    for ident in made_for:
        made.keep_key(ident, b"key", target)
    with pytest.raises(Refused, match="no key"):
        made.key(made_for[1])
    assert made.key(made_for[2]) == b"key"
    for path in (tmp_path / "home").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    (tmp_path / "home" / "identity.key").write_bytes(material.new_key("EC-P256"))
    with pytest.raises(Refused, match="not a key of this bot"):
        made.own_key()
    made.forget_own_key()


def test_a_second_bot_with_one_home_is_refused(tmp_path):
    with (
        posix.only_one(tmp_path / "lock"),
        pytest.raises(Refused, match="runs already"),
        posix.only_one(tmp_path / "lock"),
    ):
        pass


@pytest.mark.parametrize("kind", material.KEY_TYPES)
def test_a_request_of_every_kind_of_key(kind):
    from cryptography import x509

    made = material.request(material.new_key(kind), ["www.example.com", "192.0.2.1"])
    found = x509.load_pem_x509_csr(made.encode())
    assert found.is_signature_valid
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(n.value) for n in names] == ["www.example.com", "192.0.2.1"]


def test_a_name_too_long_for_a_subject_stands_in_the_extension_alone():
    from cryptography import x509

    made = material.request(material.new_key("Ed25519"), [f"{'a' * 40}.{'b' * 40}.example.com"])
    found = x509.load_pem_x509_csr(made.encode())
    assert found.subject.rdns == []
    assert found.extensions[0].critical
    with pytest.raises(Refused, match="no keys of the kind"):
        material.new_key("DSA")


def test_what_does_not_belong_together_or_is_over_is_refused():
    chain, key = pair()
    assert material.names_of(material.together(key, chain, NOW).leaf) == ["www.example.com"]
    leaf, issuer = (b"-----BEGIN" + part for part in chain.split(b"-----BEGIN")[1:])
    assert material.together(key, leaf, NOW).issuers_pem == b""
    wrong = [
        (key, issuer + leaf, NOW),
        (key, leaf + leaf, NOW),
        (key, chain, NOW + timedelta(days=400)),
        (key, b"", NOW),
        (b"x", chain, NOW),
    ]
    for given in wrong:
        with pytest.raises(Refused):
            material.together(*given)


def test_secrets_travel_encrypted_or_not_at_all():
    assert web.usable("https://c.example.com/") == "https://c.example.com"
    assert web.usable("http://127.0.0.1:8140") == "http://127.0.0.1:8140"
    for url in ("http://c.example.com", "ftp://x", "c.example.com", ""):
        with pytest.raises(Refused):
            web.usable(url)
    with pytest.raises(Away, match="does not answer"):
        web.call("http://127.0.0.1:9/x", "GET")
    with pytest.raises(Refused, match="roots"):
        web.call("https://127.0.0.1:9/x", "GET", trust="/none")


def test_owners_and_programs_that_are_not_there():
    assert posix.owner("root:root") == (0, 0)
    assert posix.owner("") == posix.KEEP
    with pytest.raises(Refused, match="no user or group"):
        posix.owner("nobody-of-this-name")
    with pytest.raises(Refused, match="cannot be run"):
        posix.run(["/none"], 1)
    name, _system, digest = posix.host()
    assert name
    assert digest == posix.host()[2]
    assert len(digest) == 64


def test_a_machine_is_known_by_its_id_and_by_its_name_only_without_one(tmp_path, monkeypatch):
    monkeypatch.setattr(posix, "MACHINE_ID", tmp_path / "machine-id")

    def digest(name):
        monkeypatch.setattr(posix.socket, "gethostname", lambda: name)
        assert posix.host()[0] == name
        return posix.host()[2]

    for nothing in (None, b"", b"uninitialized\n", b"\xff"):
        if nothing is not None:
            posix.MACHINE_ID.write_bytes(nothing)
        assert digest("web-1") != digest("web-2")
    posix.MACHINE_ID.write_bytes(b"0123456789abcdef0123456789abcdef\n")
    renamed = digest("web-1")
    assert renamed == digest("web-2")
    posix.MACHINE_ID.write_bytes(b"fedcba9876543210fedcba9876543210\n")
    assert digest("web-1") != renamed


def test_every_kind_has_settings_with_words_and_what_a_host_has_is_found(tmp_path):
    for kind in kinds.TITLES:
        for name, info in kinds.settings(kind).model_fields.items():
            assert info.title, f"{kind}.{name}"
    with pytest.raises(KeyError):
        kinds.settings("iis")
    with pytest.raises(Refused, match="Update the bot"):
        kinds.build("iis", uuid4(), {}, Local())
    with pytest.raises(Refused, match="certificate"):
        kinds.build("nginx", uuid4(), {}, Local())
    script = tmp_path / "nginx"
    script.write_text(
        "#!/bin/sh\necho 'server { listen 443 ssl; server_name a.example.com; ssl_certificate /c; ssl_certificate_key /k; }'\n"
    )
    script.chmod(0o755)
    found = [f for f in kinds.scan(Local(programs={"nginx": str(script)})) if f.kind == "nginx"]
    assert [f.names for f in found] == [["a.example.com"]]
    assert [f for f in kinds.scan(Local(programs={})) if f.kind == "nginx"] == []
    assert json.dumps(found[0].model_dump())


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("*.example.com", "chancery-probe.example.com"),
        ("www.example.com", "www.example.com"),
        ("192.0.2.1", None),
        ("::1", None),
        ("", None),
    ],
)
def test_what_is_asked_for_is_a_name_that_the_certificate_covers(monkeypatch, name, asked):
    """A wildcard stands for one label, so the bare domain is not what its server is chosen by (RFC 6125 section 6.4.3)."""
    from contextlib import nullcontext

    from chancery_bot import probe

    class Context:
        def __init__(self, _protocol):
            pass

        def wrap_socket(self, plain, server_hostname):
            seen.append(server_hostname)
            return nullcontext(self)

        def getpeercert(self, *, binary_form):
            return b"x"

    seen = []
    monkeypatch.setattr(probe.ssl, "SSLContext", Context)
    monkeypatch.setattr(probe.socket, "create_connection", lambda *_: nullcontext())
    probe.served(probe.Endpoint("h", 443, name))
    assert seen == [asked]


def test_a_certificate_counts_as_served_when_each_look_finds_it(monkeypatch):
    from chancery_bot import probe
    from chancery_bot.tests.test_cli import Still

    def looks(*found):
        left = iter(found)

        def look(_endpoint):
            one = next(left)
            if isinstance(one, Exception):
                raise one
            return one

        monkeypatch.setattr(probe, "served", look)

    looks("new", "old", OSError("refused"), *["new"] * 5)
    assert probe.prove(probe.Endpoint("h", 443, ""), "new", 9, Still()) == "new"
    looks(*["any"] * 5)
    assert probe.prove(probe.Endpoint("h", 443, ""), "", 9, Still()) == "any"
    for found, says in (
        (["old"] * 30, "another certificate"),
        ([OSError("no")] * 30, "nothing answers"),
        ([ValueError("no such name")] * 30, "nothing answers TLS there: no such name"),
        (["new", "old"] * 20, "not each time|another certificate"),
    ):
        looks(*found)
        with pytest.raises(Refused, match=says):
            probe.prove(probe.Endpoint("h", 443, ""), "new", 2, Still())
