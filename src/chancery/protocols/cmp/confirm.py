"""The last step of an enrolment: telling the CA that its certificate arrived (RFC 9810 section 5.2.8.3.2, 5.3.18)."""

from __future__ import annotations

import logging
from dataclasses import replace

from cryptography import x509

from chancery.core.certificate import spki_of
from chancery.protocols.cmp import bodies
from chancery.protocols.cmp.conversation import Conversation, Waits
from chancery.protocols.cmp.grant import hash_of
from chancery.protocols.cmp.progress import Progress
from chancery.protocols.cmp.status import Step
from chancery.sdk.errors import AuthorityError, RejectedByPolicy
from chancery.sdk.outcome import Pending

log = logging.getLogger("chancery.protocols.cmp")
_MOST = 5
"""Confirmations without an answer before the certificate is used all the same."""
_DONE = "certConfirmed"


def confirm(talk: Conversation, progress: Progress, spki: str, ca: str) -> Pending | None:
    """Confirm; None where that is done. Where the answer is lost, it is pending and confirmed once more later.

    A certificate for another key than `spki` (hex; '' is not checked) is refused to the CA, and handed on all the same:
    the engine keeps it away from everybody.
    """
    digest = hash_of(progress.leaf)
    if not digest:
        log.warning("this certificate's signature implies no digest: have the CA grant implicit confirmation")
        return None
    foreign = bool(spki) and spki_of(progress.leaf) != spki
    complaint = "The certificate is not for the key of the request." if foreign else ""
    try:
        heard = talk.ask("certConf", bodies.confirmation(digest, progress.number, complaint=complaint), Step.CONFIRM)
    except Waits:
        return replace(progress, nonce=talk.nonce).unconfirmed()
    except RejectedByPolicy as error:
        return _refused(progress, error, ca)
    except AuthorityError as error:
        return _unanswered(progress, error)
    return None if heard.kind == "pkiconf" else _unanswered(progress, talk.unexpected(heard))


def _unanswered(progress: Progress, error: AuthorityError) -> Pending | None:
    if progress.tries < _MOST:
        return progress.unconfirmed()
    log.warning("the CA answers no confirmation (%s); its certificate is used all the same", error.kind)
    return None


def _refused(progress: Progress, error: AuthorityError, ca: str) -> Pending | None:
    # An earlier confirmation, whose answer was lost, may have ended the transaction.
    if _DONE in error.code or progress.tries:
        return None
    serial = f"{x509.load_der_x509_certificate(progress.leaf).serial_number:x}"
    text = f"{ca} issued the certificate {serial}, and then refused its confirmation: it may not count. {error.message}"
    remedy = "Ask the CA what became of this certificate, have it revoked, and order again."
    raise RejectedByPolicy(text, code=error.code, text=error.text, stage="response", remedy=remedy)
