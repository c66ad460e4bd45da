"""What networks do for moving film that training never saw, and what their peers do."""
