"""Makes the first rows of an installation of several hosts; reads where the CA is, prints a token: `python -m tests.chaos.first`."""

import json
import os
import sys


def main():
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "chancery.settings"
    django.setup()
    from chancery.apps.shared import tables

    tables.up_to_date()
    from chancery.apps.accounts import actions as people
    from chancery.apps.accounts import queries, start
    from chancery.apps.connectors import actions as connectors
    from chancery.apps.profiles import actions as profiles
    from chancery.apps.shared.actor import host_actor

    given, actor = json.load(sys.stdin), host_actor("chaos")
    start.first_administrator(actor, "admin")
    common = {"team": "Operations", "environment": "Production"}
    account = {name: given["account"][name] for name in ("api_key", "reference_field_id")}
    where = {"base_url": given["url"], "allowed_networks": "127.0.0.0/8", "skip_approval": True}
    connectors.create(actor, "digicert", {"name": "DigiCert", **common, **account, **where})
    product = {"product": "ssl_basic", "organization_id": "112233"}
    profiles.create(actor, {"name": "Public", "connector": "DigiCert", "product": product})
    grants = [("requester", None, None), ("monitor", None, None)]
    user = people.create_user(actor, "client", "correct horse battery", grants=grants)
    print(people.create_token(queries.actor_of(user, how="host"), "chaos", 1)[1])


if __name__ == "__main__":
    main()
