"""Pictures with exact targets: the generated farm scenes and the check every data set runs."""
