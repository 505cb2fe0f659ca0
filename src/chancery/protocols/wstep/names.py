"""Namespaces, actions and token types (MS-XCEP and MS-WSTEP sections 1.9 and 3.1.4)."""

from __future__ import annotations

SOAP = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
TRUST = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
SECURITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
UTILITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
ENROLLMENT = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment"
POLICY = "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy"
AUTHORIZATION = "http://schemas.xmlsoap.org/ws/2006/12/authorization"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"

ANONYMOUS = f"{ADDRESSING}/anonymous"
GET_POLICIES = f"{POLICY}/IPolicy/GetPolicies"
REQUEST_TOKEN = f"{ENROLLMENT}/RST/wstep"

ISSUE = f"{TRUST}/Issue"
QUERY_STATUS = f"{ENROLLMENT}/QueryTokenStatus"
X509_TYPE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"
PKCS10_TYPE = f"{ENROLLMENT}#PKCS10"
BASE64_TYPE = f"{SECURITY}#base64binary"
PASSWORD_TYPE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"  # noqa: S105  the name of a type
