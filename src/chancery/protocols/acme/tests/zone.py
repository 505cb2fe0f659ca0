"""A zone on loopback: served by DNS, and written to by the HTTP API of PowerDNS, as its documents have it."""

import json
import socketserver
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

TOKEN = "powerdns-api-key-0123456789"


class Zone:
    """`records` are (name, type) → texts, names in lower case without the dot at the end."""

    def __init__(self, apex="example.test", host="127.0.0.1"):
        self.apex = apex
        self.records = {
            (apex, "SOA"): [f"ns1.{apex}. admin.{apex}. 1 3600 600 86400 60"],
            (apex, "NS"): [f"ns1.{apex}."],
            (f"ns1.{apex}", "A"): [host],
        }
        self.refuses_questions = False
        """Every question is refused."""
        self.every_name = ""
        """An address that every other name has, where it is given."""
        self.hidden = False
        """What was written is not served yet."""
        self.refuses = 0
        """Status that the API answers with instead."""
        self.asked = []

    def texts(self, name):
        """Return the TXT records of a name."""
        return list(self.records.get((name, "TXT"), []))

    def answer(self, wire):
        """Answer one DNS message."""
        asked = dns.message.from_wire(wire)
        reply = dns.message.make_response(asked)
        reply.flags |= dns.flags.AA | dns.flags.RA
        if self.refuses_questions:
            reply.set_rcode(dns.rcode.REFUSED)
            return reply.to_wire()
        question = asked.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        for _ in range(9):
            if (name, kind) in self.records or (name, "CNAME") not in self.records:
                break
            alias = self.records[name, "CNAME"][0]
            reply.answer.append(dns.rrset.from_text(f"{name}.", 1, "IN", "CNAME", alias))
            name = alias.rstrip(".")
        found = [] if self.hidden and kind == "TXT" else self.records.get((name, kind), [])
        if kind == "A" and not found and self.every_name:
            found = [self.every_name]
        if found:
            texts = [f'"{t}"' if kind == "TXT" else t for t in found]
            reply.answer.append(dns.rrset.from_text(f"{name}.", 1, "IN", kind, *texts))
        elif not any(n == name or n.endswith(f".{name}") for n, _ in self.records) and not self.every_name:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply.to_wire()

    @contextmanager
    def served(self, host="127.0.0.1", port=0):
        """Serve DNS over UDP; give host:port."""
        zone = self

        class Talk(socketserver.BaseRequestHandler):
            def handle(self):
                wire, own = self.request
                own.sendto(zone.answer(wire), self.client_address)

        with _running(socketserver.ThreadingUDPServer((host, port), Talk)) as number:
            yield f"{host}:{number}"

    @contextmanager
    def written(self):
        """Serve the API; give its address."""
        zone = self

        class Talk(BaseHTTPRequestHandler):
            def do_GET(self):
                rows = [
                    {"name": f"{n}.", "type": k, "ttl": 60, "records": [zone.record(k, t) for t in texts]}
                    for (n, k), texts in zone.records.items()
                ]
                self.say({"kind": "Native", "rrsets": rows})

            def do_PATCH(self):
                length = int(self.headers["Content-Length"])
                for row in json.loads(self.rfile.read(length))["rrsets"]:
                    texts = [r["content"].strip('"') for r in row["records"]]
                    zone.records[row["name"].rstrip("."), row["type"]] = texts
                self.say({})

            def say(self, document):
                known = self.headers["X-API-Key"] == TOKEN and self.path.endswith(f"/zones/{zone.apex}.")
                status = zone.refuses or (200 if known else 401)
                body = json.dumps(document if status == 200 else {"error": self.headers["X-API-Key"]}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *values):
                pass

        with _running(ThreadingHTTPServer(("127.0.0.1", 0), Talk)) as number:
            yield f"http://127.0.0.1:{number}"

    @staticmethod
    def record(kind, text):
        return {"content": f'"{text}"' if kind == "TXT" else text, "disabled": False}


@contextmanager
def _running(server):
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
