"""A directory as RFC 4511 and MS-ADTS describe it, on loopback: it keeps what it is given, and lets nobody change it."""

from chancery.protocols.ldap.simulator.service import Directory, Kept

__all__ = ["Directory", "Kept"]
