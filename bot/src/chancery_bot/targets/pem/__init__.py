"""PEM files, for whatever reads them."""
