"""Logins of Windows servers over HTTP: Negotiate with Kerberos or NTLM (RFC 4559, MS-NLMP), Basic, client certificate."""

from chancery.protocols.negotiate.client import Login, Session
from chancery.protocols.negotiate.settings import Credentials, Way

__all__ = ["Credentials", "Login", "Session", "Way"]
