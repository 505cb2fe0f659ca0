"""The only place where authorities are built and called."""
