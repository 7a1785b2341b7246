"""The routes of the interface, by resource."""
