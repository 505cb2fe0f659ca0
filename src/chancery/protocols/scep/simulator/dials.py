"""The dials of this server, beside the common ones of the sandbox."""

from __future__ import annotations

from dataclasses import dataclass

from chancery.sandbox.dials import Settings


@dataclass
class ScepDials(Settings):
    """Each off by default.

    `caps`: '' announces everything of RFC 8894, `get_only`, `standard` (the one word), `no_aes`, `sha1`, `empty`, or
    `absent` (404). `ra`: '' is the CA itself, `one` a registration authority that reads, `two` one that reads and one
    that signs. `ca_chain` sends the root along with GetCACert. `forgets` keeps no transactions: a repeated request is
    certified anew, and CertPoll knows nothing. `same_key` refuses messages that the request's own key did not sign.
    `fail_info` refuses with this number. `status` answers with this pkiStatus. `cipher` of answers: `3des`, `des`,
    `aes256`. `digest` of answers: `sha1`. `stretched` sends the encrypted content in pieces (BER). `answer` spoils the
    answer: `nonce`, `transaction`, `type`, `signer` (somebody else's key), `digest` (other content), `unsigned`,
    `leafless`, `foreign` (encrypted to somebody else). `single_des` takes it from clients that know nothing better;
    without, they are refused (badAlg).
    """

    caps: str = ""
    ra: str = ""
    ca_chain: bool = False
    forgets: bool = False
    same_key: bool = False
    fail_info: str = ""
    status: str = ""
    cipher: str = ""
    digest: str = ""
    stretched: bool = False
    answer: str = ""
    single_des: bool = False
