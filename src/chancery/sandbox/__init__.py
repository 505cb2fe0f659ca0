"""Stand-ins for CAs over real HTTP on loopback, each with its own ledger and fault dials.

Nothing that serves or works for real imports this package.
"""
