"""nginx on the common suite, and what is read from its configuration."""

import pytest

from chancery_bot.targets.nginx.target import servers
from chancery_bot.testing import Case, Conformance, host, one_file

CONFIG = """
# server { listen 1 ssl; ssl_certificate /a; ssl_certificate_key /b; }
http {
  server { listen 80; server_name plain.example.com; }
  server {
    listen [::]:8443 ssl http2;
    server_name shop.example.com www.example.com ~^x$;
    ssl_certificate /etc/nginx/shop.pem;
    ssl_certificate_key /etc/nginx/shop.key;
    location / { return 200; }
  }
  server { listen 443 ssl; ssl_certificate /etc/nginx/x.pem; ssl_certificate_key /etc/nginx/x.key; }
}
"""


class TestNginx(Conformance):
    def case(self, folder):
        return two_files("nginx", folder)


def two_files(kind, folder):
    local = host(folder)
    places = folder / "etc" / "shop.pem", folder / "etc" / "shop.key"

    def plant(pair):
        for path, content, mode in zip(places, pair, (0o644, 0o600), strict=True):
            path.unlink(missing_ok=True)
            path.write_bytes(content)
            path.chmod(mode)

    def read():
        return tuple(p.read_bytes() for p in places) if places[0].exists() and places[1].exists() else None

    settings = {"certificate": str(places[0]), "key": str(places[1])}
    return Case(kind, settings, local, read, plant, inside=("certificate", "key", "config"))


def test_servers_with_tls_are_found_in_a_configuration():
    shop, other = servers(CONFIG)
    assert shop.names == ["shop.example.com", "www.example.com"]
    assert shop.settings == {
        "certificate": "/etc/nginx/shop.pem",
        "key": "/etc/nginx/shop.key",
        "probe_host": "::1",
        "probe_port": 8443,
        "server_name": "shop.example.com",
    }
    assert (other.title, other.names) == ("nginx, 443", [])


TLS = "ssl_certificate {}; ssl_certificate_key {};"


def found(listen, certificate="/c", key="/k", names="www.example.com", main="/etc/nginx/nginx.conf"):
    block = f"server {{ {listen} server_name {names}; {TLS.format(certificate, key)} }}"
    return list(servers(f"# configuration file {main}:\nevents {{}}\nhttp {{ {block} }}\n" if main else block))


@pytest.mark.parametrize(
    ("listen", "where"),
    [
        ("listen 10.0.0.5:443 ssl;", ("10.0.0.5", 443)),
        ("listen 443 ssl;", (None, 443)),
        ("listen *:443 ssl http2;", (None, 443)),
        ("listen [::]:8443 ssl; listen 0.0.0.0:8443 ssl;", (None, 8443)),
        ("listen [2001:db8::7]:443 ssl default_server;", ("2001:db8::7", 443)),
        ("listen 80; listen localhost:9443 ssl;", ("localhost", 9443)),
        ("listen 192.0.2.7 ssl;", ("192.0.2.7", 80)),
    ],
)
def test_the_address_of_a_server_is_where_it_is_looked_at(listen, where):
    (one,) = found(listen)
    assert (one.settings.get("probe_host"), one.settings["probe_port"]) == where


def test_only_what_can_be_deployed_to_is_offered(tmp_path):
    (one,) = found("listen 443 ssl;", "tls/a.pem", '"tls/a.key"', main="/opt/nginx/conf/nginx.conf")
    assert (one.settings["certificate"], one.settings["key"]) == (
        "/opt/nginx/conf/tls/a.pem",
        "/opt/nginx/conf/tls/a.key",
    )
    assert found("listen 443 ssl;", "tls/a.pem", "tls/a.key", main="") == []
    assert found("listen 443 ssl;", "/etc/$ssl_server_name.pem") == []
    assert found("listen 443 ssl;", str(tmp_path)) == []
    assert found("listen unix:/run/nginx.sock ssl;") == found("listen 70000 ssl;") == found("listen 80;") == []


def test_a_server_of_very_many_and_very_long_names_is_offered_by_some_of_them():
    names = [f"n{n}.example.com" for n in range(150)]
    (one,) = found("listen 443 ssl;", names=" ".join([f"{'a' * 200}.example.com", *names]))
    assert one.names == names[:100]
    assert len(one.title) == 200
    assert found("listen 443 ssl;", names="a" * 254) == []


def test_names_that_nginx_alone_understands_are_told_as_a_certificate_has_them():
    (one,) = found("listen 443 ssl;", names=".example.com www.example.* ~^x$ _ *.example.org")
    assert one.names == ["example.com", "*.example.com", "*.example.org"]
    assert one.settings["server_name"] == "example.com"


class TestOneFileOfBoth(Conformance):
    """nginx whose certificate and key are in one file, as both lines of its configuration name it."""

    def case(self, folder):
        place = folder / "etc" / "shop.pem"
        settings = {"certificate": str(place), "key": str(place)}
        return Case("nginx", settings, host(folder), *one_file(place), stride=20)
