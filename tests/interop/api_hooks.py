"""Read by Schemathesis: three of four allowed requests are about things that there are, and none ends the judge's own token."""

import json
import os
import zlib
from pathlib import Path

import schemathesis

KNOWN = json.loads(Path(os.environ["CHANCERY_KNOWN"]).read_text(encoding="utf-8"))
"""`paths`: collection → keys of its things; `bodies`: field → what it may name; `own`: what must stay as it is."""


def chosen(value, among, of=4):
    """Return one of what there is, or the value itself once in `of` times; the same for the same value."""
    number = zlib.crc32(repr(value).encode("utf-8", "backslashreplace"))
    return value if number % of == 0 else among[number // of % len(among)]


def collection(path, name):
    return path.removeprefix("/api/v1/").partition(f"/{{{name}}}")[0].rpartition("}/")[2]


@schemathesis.hook
def map_case(context, case):
    allowed = case.meta is None or case.meta.generation.mode.is_positive
    if allowed:
        for name, value in (case.path_parameters or {}).items():
            among = KNOWN["paths"].get(collection(case.path, name))
            # What is deleted is missing for all that comes later.
            if among and (case.method != "DELETE" or zlib.crc32(repr(value).encode()) % 5 == 0):
                case.path_parameters[name] = chosen(value, among)
        if isinstance(case.body, dict):
            for name in case.body.keys() & KNOWN["bodies"].keys():
                case.body[name] = chosen(case.body[name], KNOWN["bodies"][name])
    for name, value in (case.path_parameters or {}).items():
        if str(value) in KNOWN["own"] or (case.method, value) == ("PUT", "administrator"):
            case.path_parameters[name] = "4242424242" if str(value).isdigit() else "nobody"
    return case
