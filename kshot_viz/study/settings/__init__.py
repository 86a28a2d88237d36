"""How the settings of methods are tried and chosen."""
