"""LDAP as a client of Active Directory speaks it (RFC 4511, MS-ADTS): login by Negotiate, search, nothing that changes."""
