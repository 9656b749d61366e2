"""`conform run --changed`: only what is affected by what changed since the last report.

`surroundings` looks at what a run depends on without importing any of it, `state` is what a run
notes of that beside its report, `deciding` says which trials are run again, `joining` makes one
report of them and of those that are taken from the last one, and `running` goes through it all.
"""
