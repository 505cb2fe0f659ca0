"""A small API server: secrets of core/v1, as the Kubernetes API reference and *Server-Side Apply* describe them."""

import base64
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TOKEN = "kube-token"
_PATH = re.compile(r"/api/v1/namespaces/([a-z0-9-]+)/secrets/([a-z0-9.-]+)")


class Cluster:
    """The secrets there are, by (namespace, name)."""

    def __init__(self):
        self.secrets, self.writes, self.version, self.down = {}, [], 0, False

    def apply(self, where, patch, manager, *, force):
        """Return (status, body) of a server-side apply."""
        before = self.secrets.get(where)
        if (
            patch.get("apiVersion") != "v1"
            or patch.get("kind") != "Secret"
            or patch["metadata"].get("name") != where[1]
        ):
            return 400, "the name or kind of the object does not match the request"
        if before and patch.get("type", before["type"]) != before["type"]:
            return 422, f'Secret "{where[1]}" is invalid: type: Invalid value: field is immutable'
        if before and not force and before["manager"] != manager:
            return 409, "Apply failed with 1 conflict: .data"
        if patch.get("type") == "kubernetes.io/tls" and not {"tls.crt", "tls.key"} <= set(patch.get("data", {})):
            return 422, "data[tls.crt]: Required value"
        for value in patch["data"].values():
            base64.b64decode(value, validate=True)
        self.version += 1
        self.writes.append(manager)
        meta = {**patch["metadata"], "namespace": where[0], "resourceVersion": str(self.version)}
        # What others put beside it stays: a manager that applies takes away only what it alone had applied before.
        others = {n: v for n, v in (before or {}).get("data", {}).items() if n not in (before or {}).get("applied", ())}
        data = {**others, **patch["data"]}
        applied = {n for n in patch["data"] if n not in others}
        made = {**patch, "type": patch.get("type", "Opaque"), "metadata": meta, "data": data}
        self.secrets[where] = {**made, "manager": manager, "applied": applied}
        return (200 if before else 201), self.secrets[where]


class _Talk(BaseHTTPRequestHandler):
    def _answer(self, status, body):
        if isinstance(body, str):
            body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": body, "code": status}
        raw = json.dumps({k: v for k, v in body.items() if k not in {"manager", "applied"}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _handle(self, act):
        cluster, parts = self.server.cluster, urlsplit(self.path)
        found = _PATH.fullmatch(parts.path)
        size = int(self.headers.get("Content-Length", 0))
        raw = self.rfile.read(size)
        if cluster.down:
            return self._answer(503, "the server is currently unable to handle the request")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._answer(401, "Unauthorized")
        if found is None:
            return self._answer(404, "the server could not find the requested resource")
        return self._answer(*act(cluster, found.groups(), parse_qs(parts.query), raw))

    def do_GET(self):
        self._handle(lambda c, w, q, r: (200, c.secrets[w]) if w in c.secrets else (404, f'secrets "{w[1]}" not found'))

    def do_DELETE(self):
        self._handle(lambda c, w, q, r: (200, {"status": "Success"}) if c.secrets.pop(w, None) else (404, "not found"))

    def do_PATCH(self):
        kind = self.headers.get("Content-Type")

        def apply(cluster, where, query, raw):
            if kind != "application/apply-patch+yaml":
                return 415, "the body of the request was in an unknown format"
            if "fieldManager" not in query:
                return 400, "fieldManager is required for apply patch"
            return cluster.apply(where, json.loads(raw), query["fieldManager"][0], force=query.get("force") == ["true"])

        self._handle(apply)

    def log_message(self, *values):
        pass


@contextmanager
def serving():
    """Serve a cluster on loopback; gives it and its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Talk)
    server.cluster = Cluster()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.cluster, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
