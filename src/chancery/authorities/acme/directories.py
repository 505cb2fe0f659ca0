"""ACME directories that are known by name; any other address may be typed. From the CAs' pages and client catalogues, 2026."""

DIRECTORIES: tuple[tuple[str, str], ...] = (
    ("https://acme-v02.api.letsencrypt.org/directory", "Let's Encrypt"),
    ("https://acme-staging-v02.api.letsencrypt.org/directory", "Let's Encrypt, for tests"),
    ("https://acme.zerossl.com/v2/DV90", "ZeroSSL (EAB)"),
    ("https://dv.acme-v02.api.pki.goog/directory", "Google Trust Services (EAB)"),
    ("https://dv.acme-v02.test-api.pki.goog/directory", "Google Trust Services, for tests (EAB)"),
    ("https://acme.ssl.com/sslcom-dv-rsa", "SSL.com, RSA (EAB)"),
    ("https://acme.ssl.com/sslcom-dv-ecc", "SSL.com, ECC (EAB)"),
    ("https://acme.sectigo.com/v2/DV", "Sectigo DV (EAB)"),
    ("https://acme.sectigo.com/v2/OV", "Sectigo OV (EAB)"),
    ("https://acme.sectigo.com/v2/EV", "Sectigo EV (EAB)"),
    ("https://one.digicert.com/mpki/api/v1/acme/v2/directory", "DigiCert ONE (EAB)"),
    ("https://emea.acme.atlas.globalsign.com/directory", "GlobalSign Atlas, EMEA (EAB)"),
    ("https://acme-api.actalis.com/acme/directory", "Actalis (EAB)"),
)
"""(address, name); EAB marks those that want an external account binding."""
PUBLIC: frozenset[str] = frozenset(
    {
        "https://acme-v02.api.letsencrypt.org/directory",
        "https://acme.zerossl.com/v2/DV90",
        "https://dv.acme-v02.api.pki.goog/directory",
        "https://acme.ssl.com/sslcom-dv-rsa",
        "https://acme.ssl.com/sslcom-dv-ecc",
        "https://acme.sectigo.com/v2/DV",
        "https://acme.sectigo.com/v2/OV",
        "https://acme.sectigo.com/v2/EV",
        "https://acme-api.actalis.com/acme/directory",
    }
)
"""Directories from which nothing but publicly trusted TLS certificates come. DigiCert ONE and GlobalSign Atlas are not among
them: what comes from there depends on the account."""
TESTS: frozenset[str] = frozenset(
    {
        "https://acme-staging-v02.api.letsencrypt.org/directory",
        "https://dv.acme-v02.test-api.pki.goog/directory",
    }
)
"""Directories from which nothing that is publicly trusted comes."""
