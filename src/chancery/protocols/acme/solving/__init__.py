"""How names are shown to be ours: one module per challenge type, all of the shape `solving.base.Solver`."""
