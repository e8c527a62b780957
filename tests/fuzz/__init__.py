"""Tools that look for faults: short forms run with the tests, long forms by `make fuzz`."""
