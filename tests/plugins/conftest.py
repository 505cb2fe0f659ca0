"""What lies under packages/ belongs to wheels; its tests are run as the package's author runs them."""

collect_ignore = ["packages"]
