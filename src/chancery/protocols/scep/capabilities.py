"""What a CA says that it can do (GetCACaps, RFC 8894 section 3.5.2), and what we choose of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chancery.protocols.scep.sealing import AES_128, TRIPLE_DES, Algorithm
from chancery.protocols.scep.signing import SHA_256, SHA_512
from chancery.sdk.errors import Forbidden

_STANDARD = frozenset({"aes", "sha-256", "postpkioperation"})
"""What SCEPStandard stands for."""
_MOST = 40


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Keywords as the CA sent them."""

    said: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> Capabilities:
        """Return the keywords, one a line, in any case and order; what is not known is kept and means nothing."""
        return cls(tuple(line.strip()[:60] for line in text.splitlines() if line.strip())[:_MOST])

    @classmethod
    def of(cls, said: Iterable[str]) -> Capabilities:
        """Return the keywords that an administrator gave."""
        return cls(tuple(said))

    @property
    def _known(self) -> frozenset[str]:
        known = frozenset(word.lower() for word in self.said)
        return known | _STANDARD if "scepstandard" in known else known

    @property
    def post(self) -> bool:
        """Say whether messages may be sent by POST."""
        return "postpkioperation" in self._known

    @property
    def renewal(self) -> bool:
        """Say whether RenewalReq is understood."""
        return "renewal" in self._known

    def cipher(self, *, allow_3des: bool) -> Algorithm:
        """Return the cipher for our messages; raises `Forbidden` where the CA knows none that is sound."""
        if "aes" in self._known:
            return AES_128
        if "des3" in self._known and allow_3des:
            return TRIPLE_DES
        raise Forbidden(
            "The CA does not announce AES.",
            code="no_aes",
            text=str(self),
            bytes_sent=False,
            remedy="Have AES enabled at the CA, or allow triple DES for this connector. Single DES is never used.",
        )

    @property
    def digest(self) -> str:
        """Return the digest (OID) for our signatures; raises `Forbidden` where the CA knows none that is sound."""
        if "sha-256" in self._known:
            return SHA_256
        if "sha-512" in self._known:
            return SHA_512
        raise Forbidden(
            "The CA announces neither SHA-256 nor SHA-512.",
            code="no_sha2",
            text=str(self),
            bytes_sent=False,
            remedy="Have SHA-256 enabled at the CA. SHA-1 and MD5 are never used for requests.",
        )

    def __str__(self) -> str:
        return ", ".join(self.said) or "nothing"
