"""Tasks, numbers and page of the map."""
