"""PostgreSQL, asked whether a connection still lives no more often than that is worth."""
