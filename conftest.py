"""pytest's way in: the YAML cases are test files, and each trial is a test item."""

pytest_plugins = ["harness.pytest_plugin"]

# Doctests are looked for in every module; these are meant for other processes.
collect_ignore = ["harness/adapters", "tests/fakes"]
