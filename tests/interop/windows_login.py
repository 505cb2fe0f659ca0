"""Apache with mod_auth_gssapi (and a KDC) before the simulated AD CS: logins judged by software that we did not write."""

import logging
import os
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from chancery.authorities.adcs.authority import Adcs
from chancery.authorities.adcs.simulator.service import build
from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.net.listening import free_port
from chancery.sdk.authority import Context
from chancery.sdk.config import secret_names
from chancery.sdk.http import HttpDoor
from tests.interop.children import child, needs
from tests.interop.requests import request as csr_request

MODULES = Path("/usr/lib/apache2/modules")
GSSAPI = MODULES / "mod_auth_gssapi.so"
NTLM = Path("/etc/gss/mech.d/mech.ntlmssp.conf")
REALM, USER, PASSWORD = "PEER.TEST", "alice", "interop-password-1"
HINT = "make interop"


def needs_apache(*more):
    """Skip, saying what is missing, where Apache or a module of it is not installed."""
    needs("apache2", hint=HINT)
    for path, package in ((GSSAPI, "libapache2-mod-auth-gssapi"), *more):
        if not path.exists():
            pytest.skip(f"not installed: {package} ({HINT} installs it)")


@contextmanager
def apache(folder, files, lines, behind, environment):
    """Serve TLS on loopback, ask for the login that `lines` describe, and pass everything on to a loopback port."""
    port = free_port()
    names = (
        "mpm_event",
        "authn_core",
        "authz_core",
        "authz_user",
        "ssl",
        "proxy",
        "proxy_http",
        "headers",
        "auth_gssapi",
    )
    loads = [f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in names]
    config = folder / "apache.conf"
    text = [
        *loads,
        f"ServerRoot {folder}",
        "ServerName localhost",
        f"Listen 127.0.0.1:{port}",
        f"PidFile {folder}/apache.pid",
        f"ErrorLog {folder}/error.log",
        "LogLevel info",
        # Children keep the user that starts them: nothing here may need root.
        *(["User www-data", "Group www-data"] if os.geteuid() == 0 else []),
        "KeepAlive On",
        "SSLEngine on",
        f"SSLCertificateFile {files.certificate}",
        f"SSLCertificateKeyFile {files.key}",
        f"ProxyPass / http://127.0.0.1:{behind}/",
        "RequestHeader unset Authorization",
        "<Location />",
        "AuthType GSSAPI",
        'AuthName "interop"',
        *lines,
        "Require valid-user",
        "</Location>",
    ]
    config.write_text("\n".join(text) + "\n")
    command = ["/usr/sbin/apache2", "-DFOREGROUND", "-f", str(config)]
    with child(command, folder, listens=[port], environment={"PATH": "/usr/sbin:/usr/bin:/bin", **environment}):
        yield port


@contextmanager
def folder_for_all():
    """Give a folder that Apache's own user may look into; those of pytest are for their owner alone."""
    with TemporaryDirectory(prefix="chancery-interop-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@contextmanager
def kdc(folder, monkeypatch):
    """Run a Kerberos domain with one person, one keytab of hers, and the web server's key; gives the folder of keytabs."""
    needs("krb5kdc", "kadmin.local", "kdb5_util", hint=HINT)
    port = free_port()
    (folder / "krb5.conf").write_text(f"""[libdefaults]
 default_realm = {REALM}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
 default_ccache_name = MEMORY:none
[realms]
 {REALM} = {{
  kdc = 127.0.0.1:{port}
 }}
[domain_realm]
 localhost = {REALM}
""")
    (folder / "kdc.conf").write_text(f"""[kdcdefaults]
 kdc_listen = 127.0.0.1:{port}
 kdc_tcp_listen = 127.0.0.1:{port}
[realms]
 {REALM} = {{
  database_name = {folder}/principal
  key_stash_file = {folder}/stash
  acl_file = {folder}/acl
 }}
""")
    environment = {"KRB5_CONFIG": f"{folder}/krb5.conf", "KRB5_KDC_PROFILE": f"{folder}/kdc.conf"}
    path = {"PATH": "/usr/sbin:/usr/bin:/bin"}

    def run(*command):
        subprocess.run(command, cwd=folder, env={**environment, **path}, check=True, capture_output=True)

    run("kdb5_util", "create", "-s", "-r", REALM, "-P", "master-word")
    for command in (
        f"addprinc -pw {PASSWORD} {USER}",
        "addprinc -randkey HTTP/localhost",
        f"ktadd -k {folder}/http.keytab HTTP/localhost",
        f"ktadd -norandkey -k {folder}/alice.keytab {USER}",
    ):
        run("kadmin.local", "-r", REALM, "-q", command)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with child(["/usr/sbin/krb5kdc", "-n", "-r", REALM], folder, listens=[port], environment={**environment, **path}):
        yield environment


@contextmanager
def ca_behind():
    """Run a simulated AD CS that asks for no login of its own."""
    with build() as simulator:
        simulator.dials.set(anonymous=True)
        yield simulator, int(simulator.url.rpartition(":")[2])


@contextmanager
def connector(port, files, simulator, **settings):
    """Give an AD CS connector to the web server."""
    own = secret_names(Adcs.config)
    values = {"ca_name": simulator.credentials["ca_name"], "templates": "WebServer2", **settings}
    config = Adcs.config(**{k: Secret(v) if k in own and v else v for k, v in values.items()})
    door = HttpDoor(
        f"https://localhost:{port}",
        clock=SYSTEM_CLOCK,
        policy=AddressPolicy(("127.0.0.0/8", "::1/128")),
        trust_pem=files.root_pem,
        timeout=10.0,
    )
    try:
        yield Adcs(config, Context(door, SYSTEM_CLOCK, logging.getLogger("interop")))
    finally:
        door.close()


def asked():
    """Return a request for the simulated CA's template."""
    return replace(csr_request(), settings=Adcs.profile(template="WebServer2"))
