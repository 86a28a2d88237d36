"""Printed letters of several scripts, drawn from the fonts that come with matplotlib."""
