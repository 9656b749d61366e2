raise RuntimeError("the driver is too old")
