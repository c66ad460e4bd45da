"""What each profile makes of each kind of stream, tried and written down."""
