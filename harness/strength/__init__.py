"""How strong the suite is: faults planted in the frameworks, and which of them it misses."""
