"""A command of the host's administrator, for whatever has no kind of its own. It finds the files by variables that
hooks of certbot and lego know too.
"""
