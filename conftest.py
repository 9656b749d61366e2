"""pytest's way in: the YAML cases are test files, and each trial is a test item."""

pytest_plugins = ["harness.pytest_plugin"]

# Doctests are looked for in every module, cases in every YAML file; these hold neither. The
# scripts of a migration have the same names in every folder, so that pytest cannot import them.
collect_ignore = [
    "harness/adapters",
    "harness/strength/equivalent.yaml",
    "harness/verification/drivers",
    "tests/helpers/fakes",
    "tests/verification/wrong",
]
