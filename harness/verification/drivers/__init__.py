"""What runs a user's script in an interpreter of its choice, one module for each framework.

`driver.py` is run as a program, and imports the others from its own folder. They need Python 3.8,
numpy and the framework, and nothing of the harness.
"""
