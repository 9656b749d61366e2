import sys

sys.modules["torch"] = None  # as where it is not installed, whatever is installed here
import torch
