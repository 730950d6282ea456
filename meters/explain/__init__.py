"""What bytes are and what is wrong with them, for people: `wattline decode` and the API's decoder."""
