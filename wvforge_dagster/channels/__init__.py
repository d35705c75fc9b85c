"""Where packages are published: one protocol, one module per kind. The only user of credentials."""
