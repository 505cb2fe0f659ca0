"""Apache httpd: certificate with chain, and key, as `SSLCertificateFile` and `SSLCertificateKeyFile` name them."""
