"""Run in the home of a stand: makes an administrator whom no number that is guessed hits, and prints their ids and token."""

import json

PASSWORD = "correct horse battery"


def made():
    from django.db import connection

    from chancery.apps.accounts import actions, queries
    from chancery.apps.shared.actor import host_actor

    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("UPDATE sqlite_sequence SET seq = 4000000 WHERE name = 'accounts_user'")
    user = actions.create_user(host_actor("tester"), "tester", PASSWORD, grants=[("administrator", None, None)])
    row, token = actions.create_token(queries.actor_of(user, how="host"), "judge", 7)
    return {"token": token, "own": [str(user.pk), user.username, str(row.pk)]}


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(made()))
