"""Where the keys come from that seal secrets: each store wraps keys of ours, and none of them gives its own away."""
