"""Half an answer is no answer: what brings the certificate is cut at each of its bytes, for each transport that orders over HTTP.

The conformance suite cuts at a few bytes in every run; here all of it is done at once, for one figure.
"""

import importlib

import pytest

from chancery.sdk.testing import Conformance
from chancery.sdk.testing.bench import Bench
from chancery.sdk.testing.slices import Cuts, cut_everywhere

MODULES = ("acme", "adcs", "digicert", "emca", "emsign")
MORE = ("adcs.tests.test_over_services",)


def suites():
    """Return the conformance classes beside the authorities, one for each transport."""
    names = [*(f"{name}.tests.test_conformance" for name in MODULES), *MORE]
    found = {}
    for name in names:
        module = importlib.import_module(f"chancery.authorities.{name}")
        for one in vars(module).values():
            if isinstance(one, type) and issubclass(one, Conformance) and one.__name__.startswith("Test"):
                found[f"{name.partition('.')[0]}.{one.__name__.removeprefix('Test')}"] = one
    return found


def benches(name):
    """Give the bench of one suite; None where it cannot be played on a line of HTTP."""
    suite = suites()[name]()
    with suite.case() as case:
        bench = Bench(suite.authority, case)
        try:
            yield bench
        finally:
            bench.close()


@pytest.mark.long
def test_no_answer_counts_that_was_cut_at_any_byte(result, capsys):
    whole, played = Cuts(), []
    for name in suites():
        for bench in benches(name):
            if bench._line is None or bench.line.count is None:
                continue
            found = cut_everywhere(bench)
            with capsys.disabled():
                print(f"\n{name}: {found}", flush=True)
            whole += found
            played.append(name)
    unit = (
        f"certificates taken from {whole.made} answers that were cut at each byte, over {len(played)} transports: "
        f"{whole.refused} refused with a sentence, {whole.waited} asked for again, {whole.kept_apart} quarantined; "
        f"{whole.whole} lacked nothing but what follows a whole certificate and chain"
    )
    result("R8", 0, unit, 20261123)
    assert len(played) > 5
