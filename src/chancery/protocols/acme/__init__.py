"""ACME (RFC 8555) as a client: used by every authority that speaks it. Start at `steps.AcmeSteps`."""
