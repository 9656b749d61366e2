"""pytest's way in: the YAML cases are test files, and each trial is a test item."""

pytest_plugins = ["harness.pytest_plugin"]
