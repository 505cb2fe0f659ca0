"""nginx on the common suite, and what is read from its configuration."""

from chancery_bot.targets.nginx.target import servers
from chancery_bot.testing import Case, Conformance, host

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
        "probe_port": 8443,
        "server_name": "shop.example.com",
    }
    assert (other.title, other.names) == ("nginx, 443", [])
