"""A search for divergences: random cases of every family, run, judged, shrunk and written down."""
