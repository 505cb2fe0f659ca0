"""The dials of this server, beside the common ones of the sandbox."""

from __future__ import annotations

from dataclasses import dataclass

from chancery.sandbox.dials import Settings


@dataclass
class MsrpcDials(Settings):
    """Each off by default.

    `no_icpr` removes the enrolment interface, as IF_NORPCICERTREQUEST does. `no_activation` refuses to make objects, `no_service`
    has no such class. `fault` (hex) answers every call with this fault; `code` (hex) has every method return it. `disposition`
    is answered to every request instead of the real one. `forge` changes a sealed answer on the way, `unsealed` sends answers in
    the clear. `other_call` answers another call. `tiny_fragments` cuts answers into small pieces. `signed_serials`
    keeps serial numbers with the sign byte of their INTEGER. `old_columns` numbers columns as Windows Server 2008 did.
    `from_zero` counts the rows of views from 0, `lenient_zero` takes 0 for 1. `broken_view` sends rows that lead out of
    themselves, `cut_view` none at all, and does not say that there are no more. `rights` are those of the managing account, as bits.
    `edit_flags` are the switches of the policy module, as Windows sets them up; below 0 it has none.
    """

    no_icpr: bool = False
    no_activation: bool = False
    no_service: bool = False
    fault: str = ""
    code: str = ""
    disposition: int = -1
    forge: bool = False
    unsealed: bool = False
    other_call: bool = False
    tiny_fragments: bool = False
    signed_serials: bool = False
    old_columns: bool = False
    from_zero: bool = False
    lenient_zero: bool = False
    broken_view: bool = False
    cut_view: bool = False
    rights: int = 0x302
    edit_flags: int = 0x11014E
