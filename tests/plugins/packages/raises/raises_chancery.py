"""A package whose import fails."""

raise RuntimeError("the licence file of Raises <b>PKI</b> is missing; password=do-not-show-me")
