"""The explorer of Mapper graphs."""
