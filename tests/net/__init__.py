"""The tests of `hubel.net`."""
