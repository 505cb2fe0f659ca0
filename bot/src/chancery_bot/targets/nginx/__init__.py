"""nginx: certificate with chain, and key, as `ssl_certificate` and `ssl_certificate_key` name them."""
