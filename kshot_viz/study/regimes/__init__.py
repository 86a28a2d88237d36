"""Studies: tasks times methods times regimes, which say how many labels chose the settings."""
