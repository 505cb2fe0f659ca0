"""Certificates as files (B3.2)."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from chancery.authorities.digicert.simulator.access import Access
from chancery.authorities.digicert.simulator.refusal import invalid, missing
from chancery.authorities.digicert.simulator.showing import Showing
from chancery.authorities.digicert.simulator.state import Book, Certificate
from chancery.sandbox.ca import pem
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked as Http
from chancery.sandbox.frame import Handler, Reply, json_reply

_ZIPS = {"default": "crt", "apache": "crt", "default_pem": "pem", "default_cer": "cer"}


class Downloads:
    """By certificate, by order, by platform."""

    def __init__(self, book: Book, showing: Showing, access: Access, dials: Dials) -> None:
        self._book, self._showing, self._access, self._dials = book, showing, access, dials

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Return the handlers."""
        return [
            ("GET", "/certificate/download/order/{id}/format/{format}", self._by_order),
            ("GET", "/certificate/{id}/download/format/{format}", self._by_format),
            ("GET", "/certificate/{id}/download/platform", self._by_platform),
            ("GET", "/certificate/{id}/download/platform/{platform}", self._by_platform),
            ("GET", "/certificate/{id}/chain", self._chain),
        ]

    def _by_format(self, http: Http) -> Reply:
        return self._file(self._access.certificate(http.params["id"]), http.params["format"])

    def _by_order(self, http: Http) -> Reply:
        order = self._access.order(http.params["id"])
        if order.primary is None:
            raise missing("", "The order has no certificate yet.")
        return self._file(order.primary, http.params["format"])

    def _by_platform(self, http: Http) -> Reply:
        return self._file(self._access.certificate(http.params["id"]), "default")

    def _chain(self, http: Http) -> Reply:
        found = self._access.certificate(http.params["id"])
        rows = [
            {"subject_common_name": c.subject.rfc4514_string().removeprefix("CN="), "pem": pem([c])}
            for c in self._showing.chain(found)
            if c != found.leaf
        ]
        return json_reply({"intermediates": rows})

    def _file(self, certificate: Certificate, kind: str) -> Reply:
        if self._dials.take("wrong_downloads"):
            certificate = next((c for c in self._book.certificates.values() if c is not certificate), certificate)
        chain = self._showing.chain(certificate)
        if kind in {"p7b", "cer"}:
            return Reply(200, pkcs7.serialize_certificates(chain, Encoding.PEM), "application/x-pkcs7-certificates")
        if kind in _ZIPS:
            return Reply(200, _zip(certificate, chain, _ZIPS[kind]), "application/zip")
        noroot = [c for c in chain if c.subject != c.issuer]
        shown = {"pem_all": chain, "pem_noroot": noroot, "pem_nointermediate": [certificate.leaf]}.get(kind)
        if shown is None:
            raise invalid("format", "The format is not known.")
        return Reply(200, pem(shown).encode(), "application/x-pem-file")


def _zip(certificate: Certificate, chain: list[Any], ending: str) -> bytes:
    packed = io.BytesIO()
    name = certificate.names[0].replace("*", "star").replace(".", "_")
    with zipfile.ZipFile(packed, "w") as files:
        files.writestr(zipfile.ZipInfo(f"{name}.{ending}"), pem([certificate.leaf]))
        for number, one in enumerate(c for c in chain if c != certificate.leaf):
            files.writestr(zipfile.ZipInfo(f"chain{number}.{ending}"), pem([one]))
    return packed.getvalue()
