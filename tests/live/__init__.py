"""What only a live forge can tell; left out unless variables name a repository."""
