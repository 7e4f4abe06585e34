"""Models: the networks of the papers, each taking its operations as arguments."""
