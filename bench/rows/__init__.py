"""Fills the tables as years of use would, without doing the work: for measuring listings, and for testing them.

The rows are of the right shape and point at each other; the certificates in them are no certificates. A module for each
kind of thing, with a function that adds so many of them.
"""

from bench.rows.filler import Filler
from bench.rows.orders import ACTIONS, ACTORS, ADDRESSES, STATES

__all__ = ["ACTIONS", "ACTORS", "ADDRESSES", "STATES", "Filler"]
