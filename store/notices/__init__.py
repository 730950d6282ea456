"""What is told to others when something happens: rules and channels as data. Pure, for who keeps and who tells."""
