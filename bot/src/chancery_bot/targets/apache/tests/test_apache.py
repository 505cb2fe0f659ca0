"""Apache on the common suite, and what is read from its configuration."""

from dataclasses import replace

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


def test_debians_variables_are_read(tmp_path):
    (tmp_path / "envvars").write_text("# x\nexport APACHE_RUN_DIR=/var/run/apache2$SUFFIX\nexport LANG\n")
    assert variables(tmp_path / "envvars") == {"APACHE_RUN_DIR": "/var/run/apache2"}
    assert variables(tmp_path / "none") == {}
