"""A command of the host's administrator, for whatever has no kind of its own; hooks of certbot and lego find their names."""
