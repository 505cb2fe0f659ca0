"""Marked secrets: what they look like wherever a careless line would leave them, and where that is looked for."""

import base64
import html
import json
import secrets
import threading
from collections import defaultdict
from pathlib import Path
from urllib.parse import quote, quote_plus

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

PIECE = 12
"""Characters of a secret that give it away: a cut text may hold its beginning alone."""
STEP, GRAM = 7, 6
"""Bytes from one look at a text to the next, and bytes of each look: in any `PIECE` bytes lies one look whole."""
ODD = '"&+/<\\%=;'
"""What each way of writing a text down writes in its own way."""


def marked():
    """Return a secret that nothing else looks like, and that no two ways of writing it down write alike."""
    return f"{secrets.token_urlsafe(9)}{ODD}{secrets.token_hex(8)}{ODD[::-1]}{secrets.token_urlsafe(9)}"


def echoes(value):
    """Return how a CA's error may say a secret again."""
    raw = value.encode()
    return {
        "plain": value,
        "base64": base64.b64encode(raw).decode(),
        "basic": base64.b64encode(b"u:" + raw).decode(),
        "url": quote(value, safe=""),
        "json": json.dumps(value)[1:-1],
        "reversed": value[::-1],
    }


def forms(value):
    """Yield a secret in every way in which it may stand somewhere."""
    yield from echoes(value).values()
    raw = value.encode()
    yield from (quote(value), quote_plus(value), html.escape(value), repr(value)[1:-1], raw.hex(), raw.hex().upper())
    yield from (json.dumps(json.dumps(value))[3:-3], html.escape(json.dumps(value)[1:-1]), value.lower(), value.upper())
    yield from (quote(value, safe="")[::-1], json.dumps(value)[-2:0:-1], base64.b64encode(raw[::-1]).decode())
    for offset in range(3):
        code = base64.b64encode(b"." * offset + raw).decode()
        core = code[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
        yield from (core, core.replace("+", "-").replace("/", "_"), core[::-1])


def pieces(value):
    """Return parts of every form, as bytes: its beginning, its middle and its end."""
    found = set()
    for form in forms(value):
        at = (0, (len(form) - PIECE) // 2, len(form) - PIECE)
        found |= {form[start : start + PIECE].encode() for start in at}
    return found


def parts_of_bytes(raw):
    """Return the beginning and the end of bytes, as they are, in hex, and inside any longer text in Base64."""
    found = set()
    for part in (raw[:PIECE], raw[-PIECE:]):
        found |= {part, part.hex().encode(), part.hex().upper().encode()}
        for offset in range(3):
            code = base64.b64encode(b"." * offset + part)
            core = code[-(-offset * 8 // 6) : (offset + len(part)) * 8 // 6]
            found |= {core, core.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def numbers(pem):
    """Return the secret numbers of a private key, as bytes; of RSA its two primes."""
    key = load_pem_private_key(pem.encode(), None)
    if isinstance(key, rsa.RSAPrivateKey):
        own = key.private_numbers()
        return [n.to_bytes(key.key_size // 16, "big") for n in (own.p, own.q)]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return [key.private_numbers().private_value.to_bytes((key.key_size + 7) // 8, "big")]
    return [key.private_bytes_raw()]


class Canaries:
    """The marked secrets of one scenario, and what was looked through for them."""

    def __init__(self):
        self._pieces, self._grams, self.names, self.found, self.looked = {}, defaultdict(set), set(), [], 0

    def add(self, name, value=""):
        """Keep a secret to look for, one that is made here unless it is given; returns it."""
        value = value or marked()
        self._keep(name, pieces(value))
        return value

    def add_whole(self, name, value):
        """Keep a secret that somebody else chose, so that a part of it may well be an ordinary word."""
        self._keep(name, (form.encode() for form in forms(value) if len(form) >= PIECE))

    def add_bytes(self, name, raw):
        """Keep bytes to look for, as keys are: as they are, in hex and in Base64."""
        self._keep(name, parts_of_bytes(raw))

    def add_key(self, name, pem):
        """Keep a private key, by what of it is secret."""
        for number in numbers(pem):
            self.add_bytes(name, number)
        return pem

    def token(self, length):
        """Return a random word for where no odd characters may stand."""
        return secrets.token_hex(length // 2)

    def _keep(self, name, found):
        self.names.add(name)
        for piece in found:
            assert len(piece) >= PIECE, f"{name} is too short to look for"
            self._pieces[piece] = name
            for start in range(STEP):
                self._grams[piece[start : start + GRAM]].add((piece, start))

    def look(self, where, content):
        """Look through something that anybody may come to see.

        Wherever a piece stands, a look falls into it, at one of its first `STEP` bytes: so one pass finds all of them.
        """
        raw = content.encode() if isinstance(content, str) else bytes(content)
        self.looked += len(raw)
        grams, seen = self._grams, {}
        for look in [at for at in range(0, len(raw), STEP) if raw[at : at + GRAM] in grams]:
            for piece, start in grams[raw[look : look + GRAM]]:
                if raw.startswith(piece, look - start):
                    seen.setdefault(piece, look - start)
        self.found += [(self._pieces[piece], where, raw[max(0, at - 80) : at + 40]) for piece, at in seen.items()]

    def __len__(self):
        return len(self.names)


class CommandLines:
    """Reads the command lines of this machine's processes again and again, as any of its users may."""

    def __init__(self):
        self.seen, self._stop = set(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        while not self._stop.wait(0.3):
            for line in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(line.read_bytes())
                except OSError:
                    continue

    def close(self):
        self._stop.set()
        self._thread.join()
        return b"\n".join(self.seen)
