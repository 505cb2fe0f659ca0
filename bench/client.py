"""A client that costs little itself: connections stay open, nothing is decoded that is not needed."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable
from http.cookies import SimpleCookie
from typing import Any

from bench import stand


class Client:
    """One kept-alive connection to the server under measurement."""

    def __init__(self, headers: dict[str, str], listen: str = stand.LISTEN) -> None:
        self._headers = headers
        host, _, port = listen.partition(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=120)

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Send one request; returns status and body."""
        try:
            return self._once(method, path, body, headers)
        except http.client.RemoteDisconnected:
            # The server ends connections that nobody used for a while; this one was kept for later.
            self._connection.close()
            return self._once(method, path, body, headers)

    def _once(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        self._connection.request(method, path, body, {**self._headers, **headers})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def good(self, method: str, path: str, body: Any = None, **headers: str) -> bytes:
        """Send one request that must succeed; returns its body."""
        raw = None if body is None else json.dumps(body).encode()
        code, text = self.call(method, path, raw, **headers)
        if code >= 300:
            msg = f"{method} {path}: {code} {text[:300]!r}"
            raise RuntimeError(msg)
        return text

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def api(token: str, listen: str = stand.LISTEN) -> Client:
    """Return a client for the REST API."""
    return Client({"Authorization": f"Bearer {token}", "Content-Type": "application/json"}, listen)


def console(listen: str = stand.LISTEN) -> Client:
    """Return a client that is logged in to the console as the administrator."""
    host, _, port = listen.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    connection.request("GET", "/login")
    answer = connection.getresponse()
    answer.read()
    csrf = _cookies(answer)["csrftoken"]
    form = {"csrfmiddlewaretoken": csrf, "username": stand.USER, "password": stand.PASSWORD}
    headers = {"Cookie": f"csrftoken={csrf}", "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/login", urllib.parse.urlencode(form), headers)
    answer = connection.getresponse()
    answer.read()
    found = _cookies(answer)
    connection.close()
    if "sessionid" not in found:
        msg = f"the console let nobody in: {answer.status}"
        raise RuntimeError(msg)
    return Client({"Cookie": "; ".join(f"{k}={v}" for k, v in found.items())}, listen)


def _cookies(answer: http.client.HTTPResponse) -> dict[str, str]:
    found: SimpleCookie = SimpleCookie()
    for line in answer.headers.get_all("Set-Cookie") or []:
        found.load(line)
    return {name: morsel.value for name, morsel in found.items()}


def together(clients: Iterable[Client], tasks: list[Any], act: Callable[[Client, Any], None]) -> list[float]:
    """Let each client take tasks until none is left; returns the seconds that each task took."""
    lock, left, took, errors = threading.Lock(), iter(tasks), list[float](), list[BaseException]()

    def work(client: Client) -> None:
        try:
            while not errors:
                with lock:
                    task = next(left, None)
                if task is None:
                    return
                start = time.perf_counter()
                act(client, task)
                took.append(time.perf_counter() - start)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return took
