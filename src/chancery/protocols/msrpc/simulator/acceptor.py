"""The server's side of a login by NTLM (MS-NLMP section 3.2.5), which seals and opens packets (section 3.4).

Written from the specification, apart from the library that the client logs in with: neither proves the other right by being
wrong in the same way.
"""

from __future__ import annotations

import hmac
import secrets
import struct
from collections.abc import Mapping
from hashlib import md5

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext

from chancery.protocols.msrpc.simulator.md4 import md4
from chancery.protocols.msrpc.simulator.packing import wide

_SIGNATURE = b"NTLMSSP\0"
_UNICODE, _TARGET, _SIGN, _SEAL, _NTLM, _ALWAYS = 0x1, 0x4, 0x10, 0x20, 0x200, 0x8000
_DOMAIN, _EXTENDED, _INFO, _VERSION = 0x10000, 0x80000, 0x800000, 0x2000000
_STRONG, _EXCHANGE, _WEAK = 0x20000000, 0x40000000, 0x80000000
_NEEDED = _UNICODE | _SIGN | _SEAL | _EXTENDED | _STRONG | _EXCHANGE
_KNOWN = _NEEDED | _NTLM | _ALWAYS | _VERSION | _WEAK
_TIME = 0x01DBF00000000000
_FLAGS_PAIR, _HAS_MIC = 6, 0x2
_MIC_AT = 72


class Refused(Exception):
    """The login is refused."""


class Acceptor:
    """One login. `accounts` are DOMAIN backslash user → password."""

    def __init__(self, accounts: Mapping[str, str]) -> None:
        self._accounts = {name.casefold(): password for name, password in accounts.items()}
        self._challenge, self._negotiate, self._offer = secrets.token_bytes(8), b"", b""
        self.account = ""

    def step(self, token: bytes) -> bytes:
        """Return the challenge for a first token, b'' for a good answer to it; raises `Refused`."""
        if token[:8] != _SIGNATURE or len(token) < 16:
            raise Refused("it is no message of NTLM")
        kind = struct.unpack_from("<I", token, 8)[0]
        if kind == 1 and not self._negotiate:
            self._negotiate, self._offer = token, self._offered(token)
            return self._offer
        if kind == 3 and self._negotiate:
            self._check(token)
            return b""
        raise Refused("a message out of its turn")

    def _offered(self, token: bytes) -> bytes:
        asked = struct.unpack_from("<I", token, 12)[0]
        if asked & _NEEDED != _NEEDED:
            raise Refused("the client does without sealing, or with weak keys")
        flags = asked & _KNOWN | _TARGET | _DOMAIN | _INFO
        name = "EXAMPLE".encode("utf-16-le")
        pairs = [(2, name), (1, "CA01".encode("utf-16-le")), (4, "example.test".encode("utf-16-le"))]
        pairs += [(3, "ca01.example.test".encode("utf-16-le")), (7, struct.pack("<Q", _TIME)), (0, b"")]
        info = b"".join(struct.pack("<HH", number, len(value)) + value for number, value in pairs)
        head = _SIGNATURE + struct.pack("<IHHII", 2, len(name), len(name), 56, flags) + self._challenge + bytes(8)
        head += struct.pack("<HHI", len(info), len(info), 56 + len(name)) + b"\x0a\0\x63\x45\0\0\0\x0f"
        return head + name + info

    def _check(self, token: bytes) -> None:
        response, domain, user, session = (_field(token, at) for at in (20, 28, 36, 52))
        who = f"{domain.decode('utf-16-le')}\\{user.decode('utf-16-le')}"
        password = self._accounts.get(who.casefold())
        if password is None or len(response) < 44:
            raise Refused("nobody of this name, or no answer of NTLM version 2")
        upper = user.decode("utf-16-le").upper().encode("utf-16-le")
        key = _mac(md4(wide(password)[:-2]), upper + domain)
        proof = _mac(key, self._challenge + response[16:])
        if not hmac.compare_digest(proof, response[:16]):
            raise Refused("the password is wrong")
        exported = _stream(_mac(key, proof)).update(session)
        if _pairs(response[44:]).get(_FLAGS_PAIR, b"\0")[0] & _HAS_MIC:
            self._check_whole(token, exported)
        self.account = who
        self._take_keys(exported)

    def _check_whole(self, token: bytes, exported: bytes) -> None:
        """Hold the three messages against the client's code over them: nobody changed one on the way."""
        blank = token[:_MIC_AT] + bytes(16) + token[_MIC_AT + 16 :]
        if _mac(exported, self._negotiate + self._offer + blank) != token[_MIC_AT : _MIC_AT + 16]:
            raise Refused("the messages were changed on the way")

    def _take_keys(self, exported: bytes) -> None:
        def key(way: str, what: str) -> bytes:
            return md5(exported + f"session key to {way} {what} key magic constant\0".encode()).digest()  # noqa: S324  NTLM's

        there, back = "client-to-server", "server-to-client"
        self._sign_in, self._sign_out = key(there, "signing"), key(back, "signing")
        self._in, self._out = _stream(key(there, "sealing")), _stream(key(back, "sealing"))
        self._received = self._sent = 0

    def open(self, head: bytes, body: bytes, tail: bytes, verifier: bytes) -> bytes:
        """Return a body decrypted; raises `Refused` where the verifier over header, body and trailer does not fit."""
        opened = self._in.update(body)
        wanted = _verifier(self._in, self._sign_in, self._received, head + opened + tail)
        self._received += 1
        if verifier != wanted:
            raise Refused("the packet was changed on the way")
        return opened

    def seal(self, head: bytes, body: bytes, tail: bytes) -> tuple[bytes, bytes]:
        """Return a body encrypted, and its verifier."""
        sealed = self._out.update(body)
        verifier = _verifier(self._out, self._sign_out, self._sent, head + body + tail)
        self._sent += 1
        return sealed, verifier


def _verifier(stream: CipherContext, key: bytes, number: int, message: bytes) -> bytes:
    sequence = struct.pack("<I", number)
    return struct.pack("<I", 1) + stream.update(_mac(key, sequence + message)[:8]) + sequence


def _field(token: bytes, at: int) -> bytes:
    size, _, start = struct.unpack_from("<HHI", token, at)
    return token[start : start + size]


def _pairs(content: bytes) -> dict[int, bytes]:
    found, at = dict[int, bytes](), 0
    while at + 4 <= len(content):
        number, size = struct.unpack_from("<HH", content, at)
        if not number:
            break
        found[number] = content[at + 4 : at + 4 + size]
        at += 4 + size
    return found


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "md5")


def _stream(key: bytes) -> CipherContext:
    return Cipher(ARC4(key), None).encryptor()
