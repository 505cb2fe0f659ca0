"""The CA's own dials."""

from __future__ import annotations

from dataclasses import dataclass

from chancery.protocols.ldap.simulator.dials import LdapDials
from chancery.protocols.msrpc.simulator.dials import MsrpcDials
from chancery.protocols.negotiate.simulator.dials import LoginDials
from chancery.protocols.wstep.simulator.dials import WstepDials


@dataclass
class AdcsDials(LoginDials):
    """Beside the common ones and those of the login.

    `language` of the pages: en, de or ja. `cer_type` is the content type of a certificate; `p7b_armour` puts the lines of
    a certificate around a Base64 bundle, as was seen.

    `ca_stopped` has the web server not reach the CA. `fails_with` has the CA fail each request with this number (hex).
    `san_attribute` is the CA's switch EDITF_ATTRIBUTESUBJECTALTNAME2. `stale_crl` shows a CRL that ended yesterday.
    `unlisted` leaves the templates out of the request form; `nameless` leaves the CA's name out of the pages. `portal` sends
    everybody to a login page. `split_chain` has the web server not find the chain of a request.
    """

    language: str = "en"
    cer_type: str = "application/pkix-cert"
    p7b_armour: bool = True
    ca_stopped: bool = False
    fails_with: str = ""
    san_attribute: bool = False
    stale_crl: bool = False
    unlisted: bool = False
    nameless: bool = False
    portal: bool = False
    split_chain: bool = False


@dataclass
class WindowsDials(AdcsDials, WstepDials, MsrpcDials, LdapDials):
    """Those of the pages, of the web services, of RPC and of the directory: whatever has a name in common is turned for all of them."""
