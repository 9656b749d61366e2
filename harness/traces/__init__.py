"""Recorded sequences of learning rates, and what two of them have to do with each other."""
