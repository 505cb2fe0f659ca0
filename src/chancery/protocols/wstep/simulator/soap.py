"""The SOAP of the services: reading messages by the standard library, writing answers as text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

S = "http://www.w3.org/2003/05/soap-envelope"
A = "http://www.w3.org/2005/08/addressing"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
ENROLLMENT = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment"
_TEXT = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"
_DIAGNOSTICS = "http://schemas.microsoft.com/2004/09/ServiceModel/Diagnostics"
_WINDOW = timedelta(minutes=5)


class Fault(Exception):
    """The service says no. `code` is the outer code, `subcode` a qualified name with its prefix."""

    def __init__(self, code: str, subcode: str, text: str, detail: str = "") -> None:
        super().__init__(text)
        self.code, self.subcode, self.text, self.detail = code, subcode, text, detail


@dataclass(frozen=True)
class Message:
    """What came in."""

    action: str
    number: str
    to: str
    header: ET.Element
    inside: ET.Element


def read(body: bytes) -> Message:
    """Return a message; raises `Fault` for what is none."""
    try:
        envelope = ET.fromstring(body)  # noqa: S314  on loopback, from our own client
    except ET.ParseError:
        raise Fault("Sender", "a:InvalidMessage", "The message is no XML.") from None
    header, content = envelope.find(f"{{{S}}}Header"), envelope.find(f"{{{S}}}Body")
    if envelope.tag != f"{{{S}}}Envelope" or header is None or content is None or len(content) != 1:
        raise Fault("VersionMismatch", "", "A SOAP 1.2 envelope with one element in its body is needed.")
    fields = {name: (header.findtext(f"{{{A}}}{name}") or "").strip() for name in ("Action", "MessageID", "To")}
    must = f"{{{S}}}mustUnderstand"
    for name in ("Action", "To"):
        found = header.find(f"{{{A}}}{name}")
        if found is None or found.get(must) != "1":
            raise Fault("Sender", "a:MessageAddressingHeaderRequired", f"The header {name} must be understood.")
    return Message(fields["Action"], fields["MessageID"], fields["To"], header, content[0])


def user_of(message: Message, now: datetime) -> tuple[str, str]:
    """Return user and password; raises `Fault` where there is no token, or one that is too old."""
    security = message.header.find(f"{{{WSSE}}}Security")
    token = security.find(f"{{{WSSE}}}UsernameToken") if security is not None else None
    stamp = security.find(f"{{{WSU}}}Timestamp") if security is not None else None
    if token is None or stamp is None:
        raise Fault("Sender", "wsse:InvalidSecurity", "An error occurred when verifying security for the message.")
    created, expires = (_moment(stamp.findtext(f"{{{WSU}}}{name}") or "") for name in ("Created", "Expires"))
    password = token.find(f"{{{WSSE}}}Password")
    if password is None or password.get("Type") != _TEXT or created - now > _WINDOW or expires + _WINDOW < now:
        raise Fault("Sender", "wsse:InvalidSecurity", "An error occurred when verifying security for the message.")
    return token.findtext(f"{{{WSSE}}}Username") or "", password.text or ""


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        raise Fault("Sender", "wsse:InvalidSecurity", "The timestamp cannot be read.") from None


def envelope(action: str, relates: str, inside: str) -> bytes:
    """Return an answer."""
    related = f"<a:RelatesTo>{escape(relates)}</a:RelatesTo>" if relates else ""
    return (
        f'<s:Envelope xmlns:a="{A}" xmlns:s="{S}"><s:Header><a:Action s:mustUnderstand="1">{action}</a:Action>'
        f'{related}<ActivityId CorrelationId="6d1c04f0-0000-4000-8000-000000000001" xmlns="{_DIAGNOSTICS}">'
        "5f9a14d1-0000-4000-8000-000000000002</ActivityId></s:Header><s:Body>"
        f"{inside}</s:Body></s:Envelope>"
    ).encode()


def fault(refusal: Fault) -> str:
    """Return a fault's element."""
    prefixes = f'xmlns:a="{A}" xmlns:wsse="{WSSE}"'
    below = f"<s:Subcode><s:Value {prefixes}>{refusal.subcode}</s:Value></s:Subcode>" if refusal.subcode else ""
    detail = f"<s:Detail>{refusal.detail}</s:Detail>" if refusal.detail else ""
    return (
        f"<s:Fault><s:Code><s:Value>s:{refusal.code}</s:Value>{below}</s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{escape(refusal.text)}</s:Text></s:Reason>{detail}</s:Fault>'
    )
