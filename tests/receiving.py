"""The receiver's side of a webhook, written from the Standard Webhooks specification and not from what we send."""

import base64
import hashlib
import hmac


def verified(secret, headers, body):
    """Say whether a message was signed by a secret as people paste it."""
    key = base64.b64decode(secret.reveal().removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return f"v1,{wanted}" in headers["webhook-signature"].split(" ")
