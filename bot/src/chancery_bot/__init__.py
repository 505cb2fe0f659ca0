"""The bot: an agent on a host that keeps keys there, deploys certificates and proves what is served."""

__version__ = "0.1.0"
