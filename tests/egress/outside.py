"""The outside, as far as these tests have one: name servers that lie, and a web server that leads elsewhere."""

import json
import socket
import threading
from collections import Counter
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from socketserver import UDPServer
from urllib.parse import parse_qs, urlsplit

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset

from chancery.net.tests.serving import make
from tests.egress.places import NAMED, PUBLIC

NAME = "www.public.test"
_ZONE = ".lead.test"


class OverIPv6(UDPServer):
    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()


class Names:
    """Answers every question about names of the tests, at whatever address it is asked."""

    def __init__(self):
        self._asked = Counter()
        self._servers = [UDPServer(("0.0.0.0", 53), self._reply), OverIPv6(("::", 53), self._reply)]

    def __enter__(self):
        for one in self._servers:
            threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        for one in self._servers:
            one.shutdown()
            one.server_close()

    def _reply(self, request, client, _):
        raw, own = request
        own.sendto(self._answer(dns.message.from_wire(raw)).to_wire(), client)

    def _answer(self, question):
        asked = question.question[0]
        name, kind = asked.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(asked.rdtype)
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        found = self._found(name, kind)
        if found:
            answer.answer.append(dns.rrset.from_text(asked.name, 0, "IN", kind, *found))
        return answer

    def _found(self, name, kind):
        if name == NAME:
            return [PUBLIC] if kind == "A" else []
        if not name.endswith(_ZONE) or not name[1:].removesuffix(_ZONE).isdecimal():
            return []
        how, target = name[0], NAMED[int(name[1:].removesuffix(_ZONE))]
        if how == "z":
            soa = ["ns.lead.test. x.lead.test. 1 1 1 1 1"]
            return {"SOA": soa, "NS": [f"a{name[1:]}."]}.get(kind, [])
        self._asked[name, kind] += 1
        inside = [target] if kind == ("AAAA" if ":" in target else "A") else []
        outside = [PUBLIC] if kind == "A" else []
        return {"a": inside, "m": outside + inside}.get(how) or (
            outside if how == "r" and self._asked[name, kind] == 1 else inside
        )


class Leading(BaseHTTPRequestHandler):
    """Leads to the address in the query: by a redirection, or by links as an ACME directory has them."""

    def do_GET(self):
        where = urlsplit(self.path)
        led = parse_qs(where.query).get("to", [""])[0]
        if where.path.endswith("/directory"):
            body = json.dumps(dict.fromkeys(("newNonce", "newAccount", "newOrder"), led)).encode()
            self.answer(200, body)
        else:
            self.answer(307, b"", led)

    do_POST = do_PUT = do_HEAD = do_GET

    def answer(self, status, body, led=""):
        self.send_response(status)
        if led:
            self.send_header("Location", led.encode("ascii", "replace").decode())
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@contextmanager
def outside(folder):
    """Serve names and pages; yields the root (PEM) under which the web server is trusted."""
    root = make("Root of the outside", ca=True)
    tls = make(NAME, PUBLIC, issuer=root).serving(folder)
    with ExitStack() as stack:
        stack.enter_context(Names())
        for port in (80, 443):
            web = stack.enter_context(ThreadingHTTPServer((PUBLIC, port), Leading))
            web.daemon_threads = True
            if port == 443:
                web.socket = tls.wrap_socket(web.socket, server_side=True)
            threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            stack.callback(web.shutdown)
        yield root.pem


def tried(family_of):
    """Connect without any guard, by TCP and by UDP, and say whether the kernel let something out."""
    address = ip_address(family_of)
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(family, kind) as bare:
            bare.settimeout(1)
            bare.connect_ex((family_of, 443))
            try:
                bare.send(b"x")
            except OSError:
                continue
