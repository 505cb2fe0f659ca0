"""`python -m chancery` is the command `chancery`."""

from chancery.doors.cli.main import main

main()
