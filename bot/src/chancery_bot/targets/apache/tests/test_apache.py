"""Apache on the common suite, and what is read from its configuration."""

from dataclasses import replace
from pathlib import Path

import pytest

from chancery_bot.targets.apache.target import hosts, variables
from chancery_bot.targets.nginx.tests.test_nginx import two_files
from chancery_bot.testing import Conformance

CONFIG = """
<VirtualHost *:80>
  ServerName plain.example.com
</VirtualHost>
<VirtualHost _default_:8443>
  ServerName shop.example.com:8443
  SSLEngine on
  SSLCertificateFile "/etc/ssl/shop.pem"
  SSLCertificateKeyFile /etc/ssl/shop.key
</VirtualHost>
"""


class TestApache(Conformance):
    def case(self, folder):
        return replace(two_files("apache", folder), stride=5)


def test_virtual_hosts_with_tls_are_found_in_a_configuration():
    (shop,) = hosts(CONFIG)
    assert (shop.names, shop.settings["probe_port"]) == (["shop.example.com"], 8443)
    assert shop.settings["certificate"] == "/etc/ssl/shop.pem"


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("10.0.0.5:443", ("10.0.0.5", 443)),
        ("[2001:db8::7]:8443 10.0.0.5:8443", ("2001:db8::7", 8443)),
        ('"*:8443"', (None, 8443)),
        ("*:*", (None, 443)),
        ("192.0.2.7", ("192.0.2.7", 443)),
    ],
)
def test_the_address_of_a_virtual_host_is_where_it_is_looked_at(address, where):
    (one,) = hosts(CONFIG.replace("_default_:8443", address))
    assert (one.settings.get("probe_host"), one.settings["probe_port"]) == where


def test_relative_paths_start_at_the_root_of_the_server_and_variables_are_not_offered():
    text = CONFIG.replace('"/etc/ssl/shop.pem"', "ssl/shop.pem")
    (one,) = hosts(text, Path("/etc/apache2"))
    assert one.settings["certificate"] == "/etc/apache2/ssl/shop.pem"
    assert list(hosts(text)) == list(hosts(CONFIG.replace("/etc/ssl/shop.key", "${KEY}"))) == []
    assert list(hosts(CONFIG.replace("_default_:8443", "unix:/run/x"))) == []


def test_debians_variables_are_read(tmp_path):
    (tmp_path / "envvars").write_text("# x\nexport APACHE_RUN_DIR=/var/run/apache2$SUFFIX\nexport LANG\n")
    assert variables(tmp_path / "envvars") == {"APACHE_RUN_DIR": "/var/run/apache2"}
    assert variables(tmp_path / "none") == {}
