"""A Windows CA over RPC as MS-RPCE, MS-DCOM, MS-ICPR, MS-WCCE and MS-CSRA describe it, on loopback."""

from chancery.protocols.msrpc.simulator.service import CA_NAME, MANAGER, NAME, PASSWORD, USER, RpcSimulator, build

__all__ = ["CA_NAME", "MANAGER", "NAME", "PASSWORD", "USER", "RpcSimulator", "build"]
