"""How often what draws its own examples is tried: all of them when asked for (`--long`), else a part of them."""

from hypothesis import HealthCheck, settings

_WHOLE, _PART = 100, 30


def start(*, long):
    """Say which it is, before the tests are loaded."""
    # A slow machine is no failure: time is measured by `make bench`, and nowhere else.
    most, slow = _WHOLE if long else _PART, [HealthCheck.too_slow]
    settings.register_profile("chancery", deadline=None, max_examples=most, suppress_health_check=slow)
    settings.load_profile("chancery")


def examples(most):
    """Return how many of at most so many examples are tried."""
    return max(1, most * settings.default.max_examples // _WHOLE)
