"""The dials of this server, beside the common ones of the sandbox."""

from __future__ import annotations

from dataclasses import dataclass

from chancery.sandbox.dials import Settings


@dataclass
class EstDials(Settings):
    """Each off by default.

    `wait` is the Retry-After of a 202 (seconds or a date; '' sends none). `remembers` hands out the certificate again to
    a request that is known; without, a request after the hand-out is a new one, as RFC 7030 has it. `forgets` loses
    waiting requests, as after a restart without a store. `answer_holds` adds to the certificate: `chain` (leaf first),
    `ca_first`, or `only_ca`. The common dial `chain`: `shuffled` puts the issuers before the leaf, `missing` keeps the
    issuing CA out of answer and /cacerts. `form` of Base64: '' in lines, `one_line`, or `der` (none at all).
    `csrattrs`: '' gives OIDs, `extensions`, `template` (RFC 9908), `binding` (RFC 7030 section 3.5), `none` is 204,
    `absent` 404. `html_errors` words refusals as web pages. `digest_only` asks for HTTP Digest.
    """

    wait: str = "30"
    remembers: bool = False
    forgets: bool = False
    answer_holds: str = ""
    form: str = ""
    csrattrs: str = ""
    html_errors: bool = False
    digest_only: bool = False
