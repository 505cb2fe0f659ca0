"""CMP: the Certificate Management Protocol, version 2 and 3 answers (RFC 9810, 9481, 9483, 9811).

    client = CmpClient(context.http, CmpSettings(path="cmp"), SharedSecret("reference", secret), context.clock)
    outcome = client.submit(request)            # p10cr (or cr, ir); Issued or Pending
    outcome = client.poll(outcome.state, request)
    client.revoke(target, reason); client.poll_revocation(state)
    client.support()                            # for check(): a question that changes nothing

The structures come from pyasn1-modules; importing them takes a tenth of a second, so authorities import this late.
"""

from chancery.protocols.cmp.client import CmpClient, Support, transaction_of
from chancery.protocols.cmp.settings import (
    CmpSettings,
    Credential,
    RequestKind,
    SharedSecret,
    SigningKey,
    Unprotected,
)

__all__ = [
    "CmpClient",
    "CmpSettings",
    "Credential",
    "RequestKind",
    "SharedSecret",
    "SigningKey",
    "Support",
    "Unprotected",
    "transaction_of",
]
