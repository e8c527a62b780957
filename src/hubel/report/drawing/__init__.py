"""Steps to a drawing of the network: `layout` says what stands where, `paint` draws it."""
