"""The aliases of registered versions."""

CHAMPION = "champion"  # the version in use
CHALLENGER = "challenger"  # the latest version that was compared with it
