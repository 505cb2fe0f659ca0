"""How the database would answer a query."""

from django.db import connection, transaction


def scans(sql):
    """Return the steps that look at rows which no index chose, or sort more of them than a window."""
    bounded = "IN (SELECT" in sql or '"id" IN (' in sql
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            steps = [row[-1] for row in cursor.fetchall() if row[-1] != "SCAN subquery"]
            return [s for s in steps if ("SCAN" in s and "INDEX" not in s) or ("FOR ORDER BY" in s and not bounded)]
        # With so few rows the planner would rightly read the whole table: it is to say whether it could do otherwise.
        for step in ("seqscan", "bitmapscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{step} = off")
        cursor.execute(f"EXPLAIN {sql}")
        steps = [row[0].replace("->", "").strip() for row in cursor.fetchall()]
        # Within a test that is one transaction it would hold for all that follows, and make each query as dear as can be.
        for step in ("seqscan", "bitmapscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{step} = on")
        return [s for s in steps if s.startswith("Seq Scan on") or (s.startswith("Sort  ") and not bounded)]
