"""Student code in a jail of its own, the checks in another process, and plain bytes between them."""
