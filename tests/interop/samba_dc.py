"""Samba as a domain controller in a network namespace of its own: a directory that we did not write, with objects of AD CS in it."""

import shutil
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from chancery.net.listening import free_port
from tests.interop import pki

REALM, DOMAIN, HOST = "AD.TEST", "ADT", "dc1.ad.test"
USER, PASSWORD = "svc-chancery", "Interop-4711-word"
CA = "Interop Issuing CA"
_PACKAGES = "samba samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind"

_FILL = r"""
import sys
import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

folder, user, password, ca = sys.argv[1:]
lp = LoadParm()
lp.load(f"{folder}/etc/smb.conf")
db = SamDB(f"{folder}/private/sam.ldb", session_info=system_session(), lp=lp)
db.newuser(user, password)
# What a service of Samba, which is left out here, would write by itself a little later.
name = "servicePrincipalName"
dc = ldb.Message(db.search(db.domain_dn(), expression="(sAMAccountName=DC1$)", attrs=["dn"])[0].dn)
dc[name] = ldb.MessageElement(["ldap/dc1.ad.test"], ldb.FLAG_MOD_ADD, name)
db.modify(dc)
base = f"CN=Public Key Services,CN=Services,{db.get_config_basedn()}"
days = (-(90 * 86400 * 10**7)).to_bytes(8, "little", signed=True)
sid, domain = db.search(f"CN={user},CN=Users,{db.domain_dn()}", attrs=["objectSid"])[0], db.get_domain_sid()
from samba.ndr import ndr_pack, ndr_unpack
from samba.dcerpc import security
own = str(ndr_unpack(security.dom_sid, sid["objectSid"][0]))
enroll = "0e10c968-78fb-11d2-90d4-00c04f79dc55"
read = "(A;;RPLCLORC;;;AU)(A;;GA;;;DA)"

def add(name, who, flags, usages, **more):
    sddl = f"O:EAG:EAD:{read}(OA;;CR;{enroll};;{who})"
    made = {
        "dn": f"CN={name},CN=Certificate Templates,{base}", "objectClass": "pKICertificateTemplate", "displayName": f"The {name}",
        "msPKI-Template-Schema-Version": "2", "msPKI-Certificate-Name-Flag": flags, "msPKI-Enrollment-Flag": "0",
        "msPKI-RA-Signature": "0", "msPKI-Private-Key-Flag": "16842752", "msPKI-Minimal-Key-Size": "2048", "flags": "131649",
        "pKIExtendedKeyUsage": usages, "pKIExpirationPeriod": days, "pKIOverlapPeriod": days, "revision": "100",
        "msPKI-Cert-Template-OID": f"1.3.6.1.4.1.311.21.8.1.2.3.{sum(name.encode())}",
        "nTSecurityDescriptor": ndr_pack(security.descriptor.from_sddl(sddl, security.dom_sid(domain))), **more,
    }
    db.add({key: value for key, value in made.items()})

add("OnlyServer", own, "1", "1.3.6.1.5.5.7.3.1")
add("ForUsers", "DU", "1", "1.3.6.1.5.5.7.3.2")
add("ForAdmins", "DA", "1", "1.3.6.1.5.5.7.3.1")
add("FromDirectory", own, "-2147483648", "1.3.6.1.5.5.7.3.1")
for number in range(210):
    add(f"Filler{number:03}", "DA", "1", "1.3.6.1.5.5.7.3.1", **{"msPKI-Cert-Template-OID": f"1.3.6.1.4.1.311.21.8.1.2.4.{number}"})
db.add({
    "dn": f"CN={ca},CN=Enrollment Services,{base}", "objectClass": "pKIEnrollmentService", "dNSHostName": "ca.ad.test",
    "certificateTemplates": ["OnlyServer", "ForUsers", "ForAdmins", "FromDirectory", "Gone"],
})
"""


@cache
def why_not():
    """Return why Samba cannot run here; '' where it can."""
    if any(shutil.which(program) is None for program in ("samba-tool", "samba", "unshare", "ip")):
        return f"not installed: {_PACKAGES} (make interop installs them)"
    tried = subprocess.run(["unshare", "-n", "ip", "link", "set", "lo", "up"], capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"no network namespace can be made here: {tried.stderr.strip()[:100]}"


class Controller:
    """A running domain controller: `ldap`, `ldaps` and `kdc` are ports of loopback that lead into its namespace."""

    def __init__(self, folder, trust, ports):
        self.folder, self.trust = folder, trust
        self.ldap, self.ldaps, self.kdc = ports


@contextmanager
def controller(folder):
    """Give a domain controller with templates in it; skip, saying why, where there can be none."""
    if why_not():
        pytest.skip(why_not())
    files = _tls(folder)
    domain = folder / "domain"
    _provision(domain, files, folder)
    subprocess.run(["/usr/bin/python3", "-c", _FILL, str(domain), USER, PASSWORD, CA], check=True, capture_output=True)
    path, keeper = folder / "k.sock", str(Path(__file__).with_name("keeper.py"))
    command = ["samba", "-i", "-M", "single", "-s", str(domain / "etc" / "smb.conf")]
    with (folder / "server.log").open("w") as log:
        began = ["unshare", "-n", sys.executable, keeper, str(path), "389,636,88", *command]
        process = subprocess.Popen(began, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout.readline() == "ready\n", (folder / "server.log").read_text()[-2000:]
            ends = [str(path), f"{path}.636", f"{path}.88"]
            with _led(ends[0]) as ldap, _led(ends[1]) as ldaps, _led(ends[2]) as kdc:
                yield Controller(folder, files.root_pem, (ldap, ldaps, kdc))
        finally:
            process.stdin.close()
            process.wait()
            process.stdout.close()


def _provision(domain, files, folder):
    domain.mkdir()
    subprocess.run(
        ["samba-tool", "domain", "provision", f"--realm={REALM}", f"--domain={DOMAIN}", "--server-role=dc", "--dns-backend=NONE",
         f"--adminpass={PASSWORD}", "--host-ip=127.0.0.1", "--host-name=dc1", "--option=interfaces=lo",
         "--option=bind interfaces only=yes", f"--targetdir={domain}"],
        check=True, capture_output=True,
    )  # fmt: skip
    config = domain / "etc" / "smb.conf"
    kept = [
        line for line in config.read_text().splitlines() if "server services" not in line and "log file" not in line
    ]
    own = [
        "server services = rpc, ldap, cldap, kdc, winbindd",
        # This edition compares no channel bindings, and so takes no login inside TLS without being told that it may.
        "ldap server require strong auth = allow_sasl_over_tls", f"log file = {folder}/log", f"pid directory = {domain}",
        f"ncalrpc dir = {domain}/ncalrpc", f"ntp signd socket directory = {domain}/ntp", f"winbindd socket directory = {domain}/wb",
        f"tls keyfile = {files.key}", f"tls certfile = {files.certificate}", f"tls cafile = {folder}/root.pem",
    ]  # fmt: skip
    at = kept.index("[global]") + 1
    config.write_text("\n".join([*kept[:at], *(f"\t{line}" for line in own), *kept[at:]]))


def _tls(folder):
    files = pki.write(folder, HOST)
    Path(files.key).chmod(0o600)
    return files


@contextmanager
def _led(path):
    """Give a port of loopback that leads to a Unix socket."""
    server, port = socket.socket(), free_port()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen()

    def accept():
        while True:
            try:
                inside, _ = server.accept()
            except OSError:
                return
            outside = socket.socket(socket.AF_UNIX)
            outside.connect(path)
            pumps = [
                threading.Thread(target=_pump, args=pair, daemon=True)
                for pair in ((inside, outside), (outside, inside))
            ]
            for pump in pumps:
                pump.start()
            threading.Thread(target=_closes, args=(pumps, inside, outside), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield port
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


def _closes(pumps, *ends):
    for pump in pumps:
        pump.join()
    for end in ends:
        end.close()


def _pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for one in (source, sink):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
