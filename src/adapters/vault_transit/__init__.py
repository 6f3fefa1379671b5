"""Keys kept by OpenBao or HashiCorp Vault, in their transit engine."""
