"""SQLite with turns: whoever wants to write waits in short steps, so that a busy engine keeps nobody out."""
