"""A server that says again whatever it is sent, as error pages of CAs and proxies do, credentials and all."""

import base64
import itertools
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote_plus

from tests.chaos.canaries import echoes, forms

STATUSES = (401, 500, 200, 403, 400, 302, 422)
KINDS = ("application/json", "text/html", "text/plain")
PATIENCE = 0.5
"""Seconds for a whole request; what speaks no HTTP says nothing that ends like one."""


class Parrot:
    """Answers every request with the request, and with each secret that it found in it in every way of writing it.

    `known` are the secrets by name; `said` counts how often each was said again.
    """

    def __init__(self):
        self.known, self.said, self.heard = {}, Counter(), []
        self._ways = itertools.cycle(itertools.product(STATUSES, KINDS))
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Talk)
        self._server.daemon_threads, self._server.parrot = True, self
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def know(self, name, value):
        """Listen for a secret."""
        self.known[name] = {form for form in forms(value) if len(form) > 7}, value
        return value

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, text):
        """Return status, kind, the secrets that were heard, and the body."""
        # What is decoded as a form is: the address and the body.
        plain = f"{text}\n{unquote_plus(text.partition(' HTTP/')[0])}\n{unquote_plus(text.partition(chr(10) * 2)[2])}\n{_decoded(text)}"
        heard = [name for name, (ways, _) in self.known.items() if any(way in plain for way in ways)]
        with self._lock:
            self.said.update(heard)
            self.heard.append(text)
            status, kind = next(self._ways)
        values = [self.known[name][1] for name in heard]
        again = "\n".join([plain, *(way for value in values for way in echoes(value).values())])
        return status, kind, values, _body(kind, again)


def _decoded(text):
    """Return what stands in a Basic header."""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.lower() == "authorization" and value.strip().lower().startswith("basic "):
            return base64.b64decode(value.strip()[6:] + "==").decode("utf-8", "replace")
    return ""


def _body(kind, text):
    if kind == "text/html":
        return f"<html><h1>Fault</h1><pre>{text}</pre></html>".encode()
    if kind == "text/plain":
        return text.encode()
    names = ("error", "error_description", "message", "detail", "title", "type", "code", "status", "id", "text")
    rows = [{"code": text, "message": text, "field": text}]
    return json.dumps({**dict.fromkeys(names, text), "errors": rows, "meta": {"errorMessage": text}}).encode()


class _Talk(BaseHTTPRequestHandler):
    timeout = PATIENCE

    def log_message(self, format, *args):  # noqa: A002  the base class's name
        """Say nothing."""

    def send_error(self, code, message=None, explain=None):
        """Say again what was no HTTP, too."""
        del code, message, explain
        self.wfile.write(b"HTTP/1.1 400 " + self.raw_requestline[:200].strip() + b"\r\n\r\n" + self.raw_requestline)
        self.close_connection = True

    def _do(self):
        length = self.headers.get("Content-Length", "0")
        body = self.rfile.read(int(length) if length.isdigit() else 0)
        lines = [self.requestline, *(f"{n}: {v}" for n, v in self.headers.items())]
        text = "\n".join([*lines, "", body.decode("utf-8", "replace")])
        status, kind, values, again = self.server.parrot.answer(text)
        told = " ".join(values).replace("\n", " ")[:2000].encode("latin-1", "replace").decode("latin-1")
        try:
            self.send_response_only(status, told[:200] or None)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(again)))
            self.send_header("X-Echo", told)
            self.send_header("WWW-Authenticate", f'Basic realm="{told}"')
            self.send_header("Set-Cookie", f"sid={quote(told)}")
            self.send_header("Location", f"{self.server.parrot.url}/moved?back={quote(told)}&plain={told[:100]}")
            self.end_headers()
            self.wfile.write(again)
        except OSError:
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _do
