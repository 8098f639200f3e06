"""What people look at: the terminal, a plot, a page."""
