"""The dials of this directory, beside the common ones of the sandbox."""

from __future__ import annotations

from dataclasses import dataclass

from chancery.sandbox.dials import Settings


@dataclass
class LdapDials(Settings):
    """`ldap_binding` is how channel bindings are judged inside TLS: required, or off. `hide_descriptors` shows nobody who has rights.

    `no_starttls` refuses StartTLS. `ldap_code` answers every search with this result code. `ldap_page` is how many entries a page
    has at most. `ldap_forge` changes a sealed answer on the way, `ldap_garbled` sends what is no message; `ldap_refers` sends a
    referral among the results, and `ldap_other` answers another question. `ldap_silent` drops the connection at a search.
    """

    ldap_binding: str = "required"
    hide_descriptors: bool = False
    no_starttls: bool = False
    ldap_code: int = 0
    ldap_page: int = 1000
    ldap_forge: bool = False
    ldap_garbled: bool = False
    ldap_refers: bool = False
    ldap_other: bool = False
    ldap_silent: bool = False
