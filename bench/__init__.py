"""Measures Chancery: durability on, everything over its real path. Results go to `bench/results/`."""
