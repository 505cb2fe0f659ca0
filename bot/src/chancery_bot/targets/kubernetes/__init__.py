"""A secret of the type kubernetes.io/tls, written by server-side apply with a field manager of our own."""
