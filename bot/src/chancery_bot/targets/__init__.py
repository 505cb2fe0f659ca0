"""Kinds of targets, a folder each: settings, what it does with a certificate, and what it finds on a host."""
