"""The tests: one package a package of `src/hubel`; `tests.strategies` draws networks for all of them."""
