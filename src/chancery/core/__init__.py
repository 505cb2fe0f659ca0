"""Pure rules: no framework, no network, no files."""
