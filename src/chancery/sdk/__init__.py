"""Everything that an authority's author needs."""
