"""Parts that all dashboards are made of."""
