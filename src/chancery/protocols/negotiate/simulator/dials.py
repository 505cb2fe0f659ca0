"""The dials of the login."""

from __future__ import annotations

from dataclasses import dataclass

from chancery.sandbox.dials import Settings


@dataclass
class LoginDials(Settings):
    """Beside the common ones.

    `logins` are the schemes that IIS offers, in its order. `epa` is Extended Protection: required, accepted (bindings are
    compared where they are sent) or off. `anonymous` lets everybody in; `closes` ends the connection after each answer, as a
    proxy that shares connections does. `odd_token` answers with what is no token of the mechanism, as a server does whose
    NTLM is switched off.
    """

    logins: str = "Negotiate,NTLM"
    epa: str = "required"
    anonymous: bool = False
    closes: bool = False
    odd_token: bool = False
