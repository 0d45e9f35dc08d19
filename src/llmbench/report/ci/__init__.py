"""What CI systems read of a session, each in its own format."""
