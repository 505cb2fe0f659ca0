"""`python -m chancery_bot`."""

from chancery_bot.cli import main

main()
