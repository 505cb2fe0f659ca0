"""Our clients against other people's servers: packages of Debian, started as children, on loopback alone."""
