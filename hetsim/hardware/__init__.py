"""Hardware laws: pure functions of datasheets. One module a kind of component."""
