"""Whether this process only looks: `doctor`, `backup` and the like make nothing in a home by being run.

A module of its own, since the settings of the framework are read the moment that anything imports them.
"""

from __future__ import annotations

only = False
