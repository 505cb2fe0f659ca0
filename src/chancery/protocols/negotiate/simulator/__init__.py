"""A Windows web server's login (IIS), for simulators that stand behind it; and a server that has nothing else."""

from chancery.protocols.negotiate.simulator.access import DOMAIN, PASSWORD, USER, Acceptor, Access
from chancery.protocols.negotiate.simulator.dials import LoginDials
from chancery.protocols.negotiate.simulator.service import build
from chancery.protocols.negotiate.simulator.tls import Front, make

__all__ = ["DOMAIN", "PASSWORD", "USER", "Acceptor", "Access", "Front", "LoginDials", "build", "make"]
