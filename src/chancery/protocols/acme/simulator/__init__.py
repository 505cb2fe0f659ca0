"""An ACME CA as the RFCs describe it (8555, 8738, 9773, and the drafts of profiles and dns-persist-01)."""

from chancery.protocols.acme.simulator.service import EAB_KEY, EAB_KEY_ID, build

__all__ = ["EAB_KEY", "EAB_KEY_ID", "build"]
