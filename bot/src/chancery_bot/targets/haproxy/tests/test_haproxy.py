"""HAProxy on the common suite, and what is read from its configuration."""

import pytest

from chancery_bot.targets.haproxy.target import binds
from chancery_bot.testing import Case, Conformance, host, one_file


class TestHaproxy(Conformance):
    def case(self, folder):
        place = folder / "etc" / "shop.pem"
        settings = {"file": str(place), "config": str(folder / "etc" / "haproxy.cfg"), "service": "shop"}
        return Case("haproxy", settings, host(folder), *one_file(place), inside=("file", "config"), stride=5)

    def test_without_a_way_to_reload_nothing_is_begun(self, stand):
        assert stand.deploy(self.NEW, service="") == "failed"
        assert "Nothing says how HAProxy is reloaded" in stand.told()[-1].text

    def test_a_service_that_the_host_does_not_allow_is_not_touched(self, stand, old):
        assert stand.deploy(self.NEW, service="sshd") == "failed"
        assert "'sshd' may not be touched" in stand.told()[-1].text
        assert stand.present() == old

    def test_a_pid_file_that_leads_nowhere(self, stand, old, folder):
        assert stand.deploy(self.NEW, service="", pid_file=str(folder / "etc" / "pid")) == "failed"
        assert "leads to no running process" in stand.told()[-1].text
        assert stand.present() == old


def test_bind_lines_with_a_file_are_found():
    text = (
        "frontend a\n  bind :443 ssl crt /etc/haproxy/shop.pem\n  bind *:8443 ssl crt /etc/haproxy/all/\n  bind :80\n"
    )
    (found,) = binds(text)
    assert found.settings == {"file": "/etc/haproxy/shop.pem", "probe_port": 443, "service": "haproxy"}


@pytest.mark.parametrize(
    ("bind", "where"),
    [
        ("10.0.0.5:443", ("10.0.0.5", 443)),
        ("ipv4@10.0.0.5:443,:8443", ("10.0.0.5", 443)),
        (":::443", ("::1", 443)),
        ("[::1]:443", ("::1", 443)),
        ("*:8443", (None, 8443)),
    ],
)
def test_the_address_of_a_bind_line_is_where_it_is_looked_at(bind, where):
    (one,) = binds(f"  bind {bind} ssl crt /etc/haproxy/shop.pem alpn h2\n")
    assert (one.settings.get("probe_host"), one.settings["probe_port"]) == where


@pytest.mark.parametrize("bind", [":443-445", "unix@/run/x.sock", "fd@3", "/run/haproxy:1"])
def test_what_cannot_be_looked_at_is_not_offered(bind):
    assert list(binds(f"  bind {bind} ssl crt /etc/haproxy/shop.pem\n")) == []
