"""A package whose class cannot say what it is."""

from chancery.sdk import AuthorityFacts, Config, Facts, ProfileSettings


class Untold:
    def __get__(self, instance, owner):
        raise LookupError("the vendor's list of products could not be read")


class Silent:
    slug, maker, proof, api = "silent", "Silent PKI", "bronze", (1, 1)
    title = Untold()
    config, profile = Config, ProfileSettings
    facts = Facts(certificates=AuthorityFacts(key_types=("EC-P256",)))

    def check(self): ...

    def submit(self, request): ...

    def poll(self, state, request): ...
