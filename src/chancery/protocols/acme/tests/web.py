"""A web server on loopback that answers what a test tells it; None hangs up."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Web:
    """`answers` are path → text; `hosts` are the names that it was asked by."""

    def __init__(self):
        self.answers, self.hosts = {}, []

    def __enter__(self):
        web = self

        class Talk(BaseHTTPRequestHandler):
            def do_GET(self):
                web.hosts.append(self.headers["Host"])
                text = web.answers.get(self.path, "")
                if text is None:
                    self.close_connection = True
                    return
                self.send_response(200 if self.path in web.answers else 404)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *values):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Talk)
        self.place = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc):
        self._server.shutdown()
        self._server.server_close()
