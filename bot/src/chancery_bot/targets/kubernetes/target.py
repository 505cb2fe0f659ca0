"""Writes a TLS secret (Kubernetes API, core/v1 Secret; server-side apply: PATCH with application/apply-patch+yaml)."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from chancery_bot import posix, web
from chancery_bot.errors import Away, Refused
from chancery_bot.material import Material
from chancery_bot.targets.base import Endpoint
from chancery_bot.targets.base import Target as Base
from chancery_bot.targets.kubernetes.settings import Settings

_MANAGER = "chancery-bot"
_APPLY = "application/apply-patch+yaml"
_TYPE = "kubernetes.io/tls"
Data = dict[str, str]


class Target(Base[Settings]):
    """One secret; its versions are kept here, beside the bot's other state."""

    @property
    def store(self) -> Path:
        """The folder of this target's versions."""
        return self.local.work / "kubernetes" / str(self.ident)

    def check(self) -> None:
        """See that the cluster answers, and that a secret that is there is one for TLS."""
        found = self._read()
        if found is not None and found.get("type") != _TYPE:
            text = f"The secret {self.settings.secret} is of the type {found.get('type')!r}, which cannot be changed."
            raise Refused(text, f"Delete it, or name another; it must be {_TYPE}.")

    def stage(self, version: str, material: Material) -> None:
        """Keep what the secret is to hold."""
        parts = {"tls.crt": material.full_pem, "tls.key": material.key_pem}
        self._keep(version, {name: base64.b64encode(content).decode() for name, content in parts.items()})

    def present(self) -> str:
        """Return the version that was applied last."""
        path = self.store / "current"
        return path.read_text(encoding="ascii") if path.exists() else ""

    def keep(self, name: str) -> str:
        """Make a version of what the secret holds, where it is not what we applied."""
        found = self._read()
        if found is None:
            return ""
        data: Data = found.get("data") or {}
        present = self.present()
        if present and self._holds(data, present):
            return present
        self._keep(name, data)
        posix.write_over(self.store / "current", name.encode())
        return name

    def switch(self, version: str) -> None:
        """Apply a version: one request, which the cluster does whole or not at all."""
        if not version:
            self._call("DELETE", self._path, expected=(200, 202, 404))
            posix.remove(self.store / "current")
            return
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": _TYPE,
            "metadata": {"name": self.settings.secret, "labels": {"app.kubernetes.io/managed-by": _MANAGER}},
            "data": self._kept(version),
        }
        self._call("PATCH", f"{self._path}?fieldManager={_MANAGER}&force=true", body)
        posix.write_over(self.store / "current", version.encode())

    def versions(self) -> list[str]:
        """Return the versions that are there."""
        return sorted(p.stem for p in self.store.glob("*.json")) if self.store.is_dir() else []

    def fingerprint(self, version: str) -> str:
        """Return the fingerprint of the certificate that a version holds."""
        found = self.certificate(version)
        return found.fingerprint(hashes.SHA256()).hex() if found is not None else ""

    def certificate(self, version: str) -> x509.Certificate | None:
        """Return the certificate that a version holds."""
        raw = base64.b64decode(self._kept(version).get("tls.crt", "")) if version else b""
        try:
            return x509.load_pem_x509_certificates(raw)[0]
        except ValueError:
            return None

    def tidy(self, keep: set[str]) -> None:
        """Forget other versions."""
        for name in self.versions():
            if name not in keep | {self.present()}:
                posix.remove(self.store / f"{name}.json")
        posix.sweep(self.store)

    def test(self) -> None:
        """See that the secret holds what was applied."""
        found, present = self._read(), self.present()
        if present and (found is None or not self._holds(found.get("data") or {}, present)):
            raise Refused("The secret does not hold what was applied.", "Does somebody else write it too?")

    def endpoint(self) -> Endpoint | None:
        """Return where the settings say."""
        found = self.settings
        return Endpoint(found.probe_host, found.probe_port, found.server_name) if found.probe_port else None

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.settings.namespace}/secrets/{self.settings.secret}"

    def _keep(self, version: str, data: Data) -> None:
        posix.make_folder(self.store)
        posix.write_over(self.store / f"{version}.json", json.dumps(data).encode())

    def _kept(self, version: str) -> Data:
        try:
            found: Data = json.loads((self.store / f"{version}.json").read_bytes())
        except OSError:
            raise Refused(f"The version {version} is not on this host any more.", "Order a new certificate.") from None
        return found

    def _holds(self, data: Data, version: str) -> bool:
        """Say whether a secret holds a version. What others keep beside it, as `ca.crt`, an apply leaves there."""
        return self._kept(version).items() <= data.items()

    def _read(self) -> dict[str, Any] | None:
        answer = self._call("GET", self._path, expected=(200, 404))
        return None if answer.status == 404 else json.loads(answer.body)

    def _call(self, method: str, path: str, body: Any = None, expected: tuple[int, ...] = (200, 201)) -> web.Answer:
        cluster = self.local.cluster(self.settings.cluster)
        headers = {"Authorization": f"Bearer {_token(cluster.get('token_file', ''))}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = _APPLY
        raw = json.dumps(body).encode() if body is not None else b""
        try:
            answer = web.call(
                web.usable(cluster.get("url", "")) + path, method, raw, headers, cluster.get("trust_file", "")
            )
        except Away as away:
            raise Refused(f"The cluster: {away}", "Is its API reachable from this host?") from None
        if answer.status not in expected:
            raise Refused(
                f"The cluster answers {answer.status}: {_said(answer.body)}", _REMEDIES.get(answer.status, "")
            )
        return answer


_REMEDIES = {
    401: "The token of this host is not accepted; renew its token file.",
    403: "The bot's account needs get, patch, create and delete on this secret.",
    409: "Somebody else manages the secret's data.",
}


def _token(file: str) -> str:
    try:
        return Path(file).read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        raise Refused(f"The token file {file!r} cannot be read.", "Set token_file of the cluster.") from None


def _said(body: bytes) -> str:
    try:
        return str(json.loads(body).get("message", ""))[:300]
    except (ValueError, AttributeError):
        return "in words that are not a Kubernetes API's"
