"""HAProxy: key, certificate and chain in one PEM file, as `crt` names it."""
