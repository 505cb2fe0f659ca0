"""How the names of a request are put into an order: the CA takes them from there, not from the CSR."""

from __future__ import annotations

from dataclasses import dataclass

from chancery.sdk.authority import Request
from chancery.sdk.errors import RejectedByPolicy

PRIVATE = frozenset({"intranet-ssl", "igtf-host"})


@dataclass(frozen=True)
class Names:
    """The first name, the further ones, and whether the CA is to add the variant with or without www."""

    domain: str
    more: tuple[str, ...] = ()
    www: bool = False


def is_private(variant: str) -> bool:
    """Say whether a variant is issued by a CA of the account's own."""
    return variant in PRIVATE


def names_of(request: Request, variant: str) -> Names:
    """Return the names as the variant takes them; raises `RejectedByPolicy`, with nothing sent, where it does not.

    A single-name variant would drop further names without a word; only the pair with and without www fits into it.
    """
    names = [n.value for n in request.names]
    domain = request.common_name if request.common_name in names else names[0]
    more = tuple(n for n in names if n != domain)
    if not is_private(variant):
        _check_wildcards(names, variant)
    if is_private(variant) or "ucc" in variant:
        return Names(domain, more)
    if not more:
        return Names(domain)
    pair = sorted((domain, more[0]), key=len)
    if len(more) == 1 and pair[1] == f"www.{pair[0]}" and "wildcard" not in variant:
        return Names(pair[0], (pair[1],), www=True)
    raise _refused(
        f"The product {variant} takes one name, and {len(names)} were asked for.",
        "Choose a variant for several names (UCC) in the profile, or order one name at a time.",
    )


def _check_wildcards(names: list[str], variant: str) -> None:
    wild = next((n for n in names if n.startswith("*.")), "")
    if wild and "wildcard" not in variant:
        raise _refused(f"The product {variant} takes no wildcard, such as {wild}.", "Choose a wildcard variant.")
    if not wild and variant.endswith("wildcard"):
        raise _refused(
            f"The product {variant} is for a wildcard name, and none was asked for.", "Choose another variant."
        )


def _refused(text: str, remedy: str) -> RejectedByPolicy:
    return RejectedByPolicy(text, code="variant", remedy=remedy, bytes_sent=False)
